"""A backbone's feature maps, for a head that somebody else brings."""

from __future__ import annotations

from vmamba_deploy.tasks.task import Axis, Output, Task

_MAP: tuple[Axis, ...] = ("batch", "channels", None, None)
FEATURES = Task(
    "features",
    tuple(Output(f"feature{level}", "map", _MAP) for level in range(4)),
    method="forward_features",
    former_names=("stage1", "stage2", "stage3", "stage4"),
)
"""The four stages' maps `feature0`..`feature3` [B,C,H,W], 1/4, 1/8, 1/16 and 1/32 of the image."""
