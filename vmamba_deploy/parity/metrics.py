"""How far logits are from the reference's: definitions, computed in float64.

With reference r and candidate c, both [B, K], d = c - r, and the spread s of the reference: the
root mean square of r after each image's mean over the classes is taken away. s is what
"large" means for these logits: figures divided by it do not depend on the scale of the weights.

| figure         | definition                                                                    |
|----------------|-------------------------------------------------------------------------------|
| max_abs        | max abs(d)                                                                    |
| mean_abs       | mean abs(d)                                                                   |
| max_rel        | max of abs(d) / (s + abs(r))                                                  |
| max_spread     | max_abs / s                                                                   |
| nmse           | sum(d^2) / sum(r^2)                                                           |
| cosine         | smallest over the images of r.c / (norm(r) norm(c))                           |
| top1_agreement | fraction of images with the same first class                                  |
| top5_agreement | mean fraction of the reference's five first classes among the candidate's     |
| decided        | images whose reference margin, first minus second logit, exceeds a tolerance  |
| decided_top1   | fraction of the decided images with the same first class; 1 when none is      |

A tie broken the other way within the allowed error is no fault of a runtime; a changed first class
beyond it is. So thresholds apply to `decided_top1`, while `top1_agreement` is the raw fraction.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from vmamba_deploy.precisions import Thresholds
from vmamba_deploy.tasks.classification import top_indices

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Metrics:
    """Figures of one or more batches; the module's text defines each. NaN where not computable."""

    images: int
    non_finite: int
    max_abs: float
    mean_abs: float
    max_rel: float
    max_spread: float
    nmse: float
    cosine: float
    top1_agreement: float
    top5_agreement: float
    decided: int
    decided_top1: float

    def violations(self, limits: Thresholds) -> list[str]:
        """Say what is beyond its limit; empty when all is well. NaN never passes."""
        if self.non_finite:
            return [f"{self.non_finite} output values are NaN or infinite"]
        found = []
        for name, limit in asdict(limits).items():
            value, least = getattr(self, name), name in {"cosine", "decided_top1"}
            # Written so that a comparison with NaN counts as a violation.
            if value >= limit if least else value <= limit:
                continue
            if name == "cosine":
                found.append(f"1 - cosine {1 - value:.3g} is above {1 - limit:.3g}")
            else:
                found.append(f"{name} {value:.3g} is {'below' if least else 'above'} {limit:.3g}")
        return found


def compute_metrics(
    reference: npt.NDArray[Any], candidate: npt.NDArray[Any], *, tie_spread: float = 0.0
) -> Metrics:
    """Compare logits [B, K] with the reference's.

    Args:
        tie_spread: tolerance of the first class's margin, in units of the reference's spread.

    Raises:
        ValueError: shapes differ, are not [B, K], or the reference is not finite.
    """
    r, c = np.asarray(reference, dtype=np.float64), np.asarray(candidate, dtype=np.float64)
    if r.ndim != 2 or r.size == 0 or r.shape != c.shape:
        raise ValueError(f"logits have shape {list(c.shape)}, the reference's {list(r.shape)}")
    if not np.isfinite(r).all():
        raise ValueError("the reference's logits hold NaN or infinity")
    bad = int(np.count_nonzero(~np.isfinite(c)))
    if bad:
        return replace(_UNKNOWN, images=len(r), non_finite=bad)
    d, s = np.abs(c - r), spread(r)
    decided = _margins(r) > tie_spread * s
    same = r.argmax(axis=1) == c.argmax(axis=1)
    return Metrics(
        images=len(r),
        non_finite=0,
        max_abs=float(d.max()),
        mean_abs=float(d.mean()),
        max_rel=float(_ratio(d, s + np.abs(r)).max()),
        max_spread=float(_ratio(d.max(), np.asarray(s))),
        nmse=normalised_mse(r, c),
        cosine=float(min(cosine(a, b) for a, b in zip(r, c, strict=True))),
        top1_agreement=float(same.mean()),
        top5_agreement=_top_overlap(r, c, 5),
        decided=int(decided.sum()),
        decided_top1=float(same[decided].mean()) if decided.any() else 1.0,
    )


def worst(results: Sequence[Metrics]) -> Metrics:
    """Combine batches: the worst error of any, and agreements over all images.

    NaN in one makes the combined figure NaN.

    Raises:
        ValueError: nothing to combine.
    """
    if not results:
        raise ValueError("no metrics to combine")

    def each(name: str) -> list[float]:
        return [float(getattr(one, name)) for one in results]

    images, decided = [one.images for one in results], [one.decided for one in results]
    return Metrics(
        images=sum(images),
        non_finite=sum(one.non_finite for one in results),
        max_abs=float(np.max(each("max_abs"))),
        mean_abs=float(np.max(each("mean_abs"))),
        max_rel=float(np.max(each("max_rel"))),
        max_spread=float(np.max(each("max_spread"))),
        nmse=float(np.max(each("nmse"))),
        cosine=float(np.min(each("cosine"))),
        top1_agreement=_weighted(each("top1_agreement"), images),
        top5_agreement=_weighted(each("top5_agreement"), images),
        decided=sum(decided),
        decided_top1=_weighted(each("decided_top1"), decided),
    )


def spread(reference: Array) -> float:
    """Root mean square of [B, K] logits after each image's mean is taken away."""
    centred = reference - reference.mean(axis=1, keepdims=True)
    return float(np.sqrt(np.mean(centred**2)))


def normalised_mse(reference: npt.NDArray[Any], candidate: npt.NDArray[Any]) -> float:
    """sum(d^2) / sum(r^2) of tensors of one shape; infinite for an error on zeros."""
    r, c = np.asarray(reference, dtype=np.float64), np.asarray(candidate, dtype=np.float64)
    return float(_ratio(np.sum((c - r) ** 2), np.sum(r**2)))


def cosine(reference: npt.NDArray[Any], candidate: npt.NDArray[Any]) -> float:
    """Cosine of the angle between two tensors seen as vectors; two zeros agree, one does not."""
    r = np.asarray(reference, dtype=np.float64).ravel()
    c = np.asarray(candidate, dtype=np.float64).ravel()
    norms = float(np.linalg.norm(r) * np.linalg.norm(c))
    if norms == 0.0:
        return 1.0 if not r.any() and not c.any() else 0.0
    return float(np.clip(np.dot(r, c) / norms, -1.0, 1.0)) if math.isfinite(norms) else math.nan


def _ratio(value: Any, scale: Any) -> Array:
    """value / scale with 0 / 0 = 0, so that agreement on constant outputs counts as agreement."""
    value, scale = np.asarray(value, dtype=np.float64), np.asarray(scale, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((value == 0) & (scale == 0), 0.0, value / scale)


def _margins(reference: Array) -> Array:
    """First minus second logit of each image; infinite for a single class."""
    if reference.shape[1] < 2:
        return np.full(len(reference), np.inf)
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


_UNKNOWN = Metrics(
    images=0,
    non_finite=0,
    max_abs=math.nan,
    mean_abs=math.nan,
    max_rel=math.nan,
    max_spread=math.nan,
    nmse=math.nan,
    cosine=math.nan,
    top1_agreement=math.nan,
    top5_agreement=math.nan,
    decided=0,
    decided_top1=math.nan,
)
