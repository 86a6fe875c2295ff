"""A network that a user brings: its inputs and outputs are its own, and no release knows them."""

from __future__ import annotations

from collections.abc import Sequence

from vmamba_deploy.tasks.task import Input, Output, Task

CUSTOM = "custom"
"""The task's name; what its inputs and outputs are, each file says for itself."""
BATCH = "batch"
"""Name of a free first axis along which a network treats every entry alike."""
USUAL_BATCHES = (1, 8, 32)


def custom_task(inputs: Sequence[Input], outputs: Sequence[Output]) -> Task:
    """The task of a network with these inputs and outputs, at least one of each.

    Its batch sizes are the usual ones where the first input has a free batch, else the only one.
    """
    first, *others = inputs
    axis = first.shape[0] if first.shape else 1
    batches = (axis,) if isinstance(axis, int) else USUAL_BATCHES
    return Task(CUSTOM, tuple(outputs), inputs=tuple(others), batches=batches, first=first)
