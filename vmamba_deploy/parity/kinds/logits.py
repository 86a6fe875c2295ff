"""Logits: how far they are from the reference's, and whether the classes stay.

Beside the figures of `parity.metrics`, with K classes:

| figure         | definition                                                                    |
|----------------|-------------------------------------------------------------------------------|
| top1_agreement | fraction of images with the same top-1 class                                  |
| top5_agreement | mean fraction of the reference's top-5 classes among the candidate's          |
| decided        | images whose reference margin, first minus second logit, exceeds a tolerance  |
| decided_top1   | fraction of the decided images with the same top-1 class; 1 when none is      |

The classes of a single logit, yes or no, are those of the two logits 0 and itself.

A tie broken the other way within the allowed error is no fault of a runtime; a changed top-1 class
beyond it is. So thresholds apply to `decided_top1`, while `top1_agreement` is the raw fraction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from vmamba_deploy.parity.figures import Answer
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
    least: ClassVar[frozenset[str]] = Metrics.least | {"decided_top1"}
    summed: ClassVar[tuple[str, ...]] = (*Metrics.summed, "decided")
    shares: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"top1_agreement": "images", "top5_agreement": "images", "decided_top1": "decided"}
    )


def compare_logits(answer: Answer, limits: Thresholds) -> LogitsMetrics:
    """Compare logits [B, K]; an image is decided beyond the largest error that is allowed.

    Raises:
        ValueError: another shape, or a reference that is not finite.
    """
    reference, candidate = answer.pair()
    return compute_metrics(reference, candidate, tie_spread=limits.max_spread, unit=answer.unit)


def compute_metrics(
    reference: npt.NDArray[Any],
    candidate: npt.NDArray[Any],
    *,
    tie_spread: float = 0.0,
    unit: float = 0.0,
) -> LogitsMetrics:
    """Compare logits [B, K] with the reference's.

    Args:
        tie_spread: tolerance of the top-1 class's margin, in units of the reference's scale.
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
