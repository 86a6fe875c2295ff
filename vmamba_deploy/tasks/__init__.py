"""Tasks: what a network is for, as the names and kinds of its outputs.

A new task is a file here and a line in `TASKS`. Importing this imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Mapping

from vmamba_deploy.tasks.classification import CLASSIFICATION
from vmamba_deploy.tasks.detection import DETECTION
from vmamba_deploy.tasks.features import FEATURES
from vmamba_deploy.tasks.segmentation import SEGMENTATION
from vmamba_deploy.tasks.task import Output, OutputKind, Task

TASKS: Mapping[str, Task] = {
    task.name: task for task in (CLASSIFICATION, FEATURES, SEGMENTATION, DETECTION)
}

__all__ = [
    "CLASSIFICATION",
    "DETECTION",
    "FEATURES",
    "SEGMENTATION",
    "TASKS",
    "Output",
    "OutputKind",
    "Task",
]
