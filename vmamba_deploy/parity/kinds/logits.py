"""Logits: how far they are from the reference's, and whether the classes stay.

Beside the figures of `parity.metrics`, with K classes:

| figure         | definition                                                                    |
|----------------|-------------------------------------------------------------------------------|
| top1_agreement | fraction of images with the same first class                                  |
| top5_agreement | mean fraction of the reference's five first classes among the candidate's     |
| decided        | images whose reference margin, first minus second logit, exceeds a tolerance  |
| decided_top1   | fraction of the decided images with the same first class; 1 when none is      |

The classes of a single logit, yes or no, are those of the two logits 0 and itself.

A tie broken the other way within the allowed error is no fault of a runtime; a changed first class
beyond it is. So thresholds apply to `decided_top1`, while `top1_agreement` is the raw fraction.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from vmamba_deploy.parity.metrics import Array, Metrics, measure, scale
from vmamba_deploy.precisions import Thresholds
from vmamba_deploy.tasks.classification import top_indices


@dataclass(frozen=True)
class LogitsMetrics(Metrics):
    """Figures of logits; the module's text defines each. NaN where not computable."""

    top1_agreement: float
    top5_agreement: float
    decided: int
    decided_top1: float

    limited: ClassVar[tuple[str, ...]] = (*Metrics.limited, "decided_top1")

    @classmethod
    def combined(cls, results: Sequence[Self]) -> dict[str, Any]:
        """As `Metrics.combined`, and agreements over all images."""
        images, decided = [one.images for one in results], [one.decided for one in results]
        return super().combined(results) | {
            "top1_agreement": _weighted([one.top1_agreement for one in results], images),
            "top5_agreement": _weighted([one.top5_agreement for one in results], images),
            "decided": sum(decided),
            "decided_top1": _weighted([one.decided_top1 for one in results], decided),
        }


def compare_logits(
    reference: npt.NDArray[Any], candidate: npt.NDArray[Any], limits: Thresholds, unit: float
) -> LogitsMetrics:
    """Compare logits [B, K]; an image is decided beyond the largest error that is allowed."""
    return compute_metrics(reference, candidate, tie_spread=limits.max_spread, unit=unit)


def compute_metrics(
    reference: npt.NDArray[Any],
    candidate: npt.NDArray[Any],
    *,
    tie_spread: float = 0.0,
    unit: float = 0.0,
) -> LogitsMetrics:
    """Compare logits [B, K] with the reference's.

    Args:
        tie_spread: tolerance of the first class's margin, in units of the reference's scale.
        unit: see `parity.metrics`.

    Raises:
        ValueError: shapes differ, are not [B, K], or the reference is not finite.
    """
    r, c = np.asarray(reference, dtype=np.float64), np.asarray(candidate, dtype=np.float64)
    if r.ndim != 2:
        raise ValueError(f"logits have shape {list(c.shape)}, the reference's {list(r.shape)}")
    measured = measure(r, c, unit)
    if measured["non_finite"]:
        return LogitsMetrics.unknown(len(r), measured["non_finite"])
    tolerance = tie_spread * scale(r, unit)
    if r.shape[1] == 1:
        r, c = (np.hstack([np.zeros_like(logit), logit]) for logit in (r, c))
    decided = _margins(r) > tolerance
    same = r.argmax(axis=1) == c.argmax(axis=1)
    return LogitsMetrics(
        **measured,
        top1_agreement=float(same.mean()),
        top5_agreement=_top_overlap(r, c, 5),
        decided=int(decided.sum()),
        decided_top1=float(same[decided].mean()) if decided.any() else 1.0,
    )


def _margins(reference: Array) -> Array:
    """First minus second logit of each image."""
    top = np.partition(reference, -2, axis=1)[:, -2:]
    return np.asarray(top[:, 1] - top[:, 0])


def _top_overlap(reference: Array, candidate: Array, count: int) -> float:
    count = min(count, reference.shape[1])
    first, second = top_indices(reference, count), top_indices(candidate, count)
    shared = [
        len(set(a) & set(b)) / count for a, b in zip(first.tolist(), second.tolist(), strict=True)
    ]
    return float(np.mean(shared))


def _weighted(values: list[float], weights: list[int]) -> float:
    if any(math.isnan(value) for value in values):
        return math.nan
    return float(np.average(values, weights=weights)) if sum(weights) else 1.0
