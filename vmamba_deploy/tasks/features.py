"""A backbone's feature maps, for a head that somebody else brings."""

from __future__ import annotations

from vmamba_deploy.tasks.task import Axis, Output, Task

_MAP: tuple[Axis, ...] = ("batch", "channels", None, None)
FEATURES = Task(
    "features",
    tuple(Output(f"stage{stage}", "map", _MAP) for stage in (1, 2, 3, 4)),
    method="forward_features",
)
"""The four stages' maps `stage1`..`stage4` [B,C,H,W], 1/4, 1/8, 1/16 and 1/32 of the image."""
