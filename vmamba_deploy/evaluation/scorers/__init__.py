"""Scorers by task. A new one is a file here and a line in `SCORERS`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from vmamba_deploy.errors import UsageError
from vmamba_deploy.evaluation.scorer import Scorer
from vmamba_deploy.evaluation.scorers.classification import ClassificationScorer
from vmamba_deploy.evaluation.scorers.detection import DetectionScorer
from vmamba_deploy.evaluation.scorers.segmentation import SegmentationScorer

SCORERS: Mapping[str, Scorer] = MappingProxyType(
    {
        scorer.task: scorer
        for scorer in (ClassificationScorer(), SegmentationScorer(), DetectionScorer())
    }
)


def scorer_of(task: str) -> Scorer:
    """The scorer of a task.

    Raises:
        UsageError: what it gives has no truth to be measured by.
    """
    if task not in SCORERS:
        raise UsageError(
            f"what the task {task} gives cannot be evaluated: no data say what is true of it",
            hint=f"the tasks that can be: {', '.join(SCORERS)}",
        )
    return SCORERS[task]


__all__ = ["SCORERS", "scorer_of"]
