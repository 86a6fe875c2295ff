"""A backbone's feature maps, for a head that somebody else brings."""

from __future__ import annotations

from vmamba_deploy.tasks.task import Output, Task

FEATURES = Task(
    "features",
    tuple(Output(f"stage{stage}", "map") for stage in (1, 2, 3, 4)),
    method="forward_features",
)
"""The four stages' maps `stage1`..`stage4` [B,C,H,W], 1/4, 1/8, 1/16 and 1/32 of the image."""
