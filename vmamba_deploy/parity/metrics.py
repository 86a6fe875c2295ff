"""How far an output is from the reference's: definitions, computed in float64.

With reference r and candidate c, both [B, K], where K are the classes or all values of an image's
map, d = c - r, and the scale s of the reference: what "large" means for this output. Figures
divided by it do not depend on the scale of the weights. s is the spread of the reference, the root
mean square of r after each image's mean is taken away; where that is no more than float32's
rounding, 2^-20 of max abs(r), all values of an image are equal and s is max abs(r); 1 where r is 0.
A single value says nothing of what is large, so where K is 1 there is a unit u, the root mean
square of the reference over all images of the comparison, else u is 0: s and mean r^2 are at least
u and u^2, and the cosine is of vectors with u at their end.

| figure         | definition                                                                    |
|----------------|-------------------------------------------------------------------------------|
| max_abs        | max abs(d)                                                                    |
| mean_abs       | mean abs(d)                                                                   |
| max_rel        | max of abs(d) / (s + abs(r))                                                  |
| max_spread     | max_abs / s                                                                   |
| nmse           | sum(d^2) / sum(r^2)                                                           |
| cosine         | smallest over the images of r.c / (norm(r) norm(c))                           |

A kind of output may add figures of its own (`parity.kinds`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from vmamba_deploy.parity.figures import Figures

Array = npt.NDArray[np.float64]
_FLOAT32_ROUNDING = 2.0**-20  # of a sum of a few values


@dataclass(frozen=True)
class Metrics(Figures):
    """Figures of a tensor; the module's text defines each. NaN where not computable."""

    max_abs: float
    mean_abs: float
    max_rel: float
    max_spread: float
    nmse: float
    cosine: float

    limited: ClassVar[tuple[str, ...]] = ("nmse", "cosine", "max_spread")
    least: ClassVar[frozenset[str]] = frozenset({"cosine"})
    largest: ClassVar[tuple[str, ...]] = ("max_abs", "mean_abs", "max_rel", "max_spread", "nmse")
    smallest: ClassVar[tuple[str, ...]] = ("cosine",)

    @property
    def distance(self) -> float:
        """The NMSE."""
        return self.nmse


def measure(r: Array, c: Array, unit: float) -> dict[str, Any]:
    """The figures of `Metrics` for two arrays [B, K]; where c is not finite, their number alone.

    `unit` is that of `unit_of`.

    Raises:
        ValueError: shapes differ, nothing is there, or the reference is not finite.
    """
    if r.size == 0 or r.shape != c.shape:
        raise ValueError(f"outputs have shape {list(c.shape)}, the reference's {list(r.shape)}")
    if not np.isfinite(r).all():
        raise ValueError("the reference holds NaN or infinity")
    bad = int(np.count_nonzero(~np.isfinite(c)))
    if bad:
        return {"non_finite": bad}
    d, s = np.abs(c - r), scale(r, unit)
    return {
        "images": len(r),
        "non_finite": 0,
        "max_abs": float(d.max()),
        "mean_abs": float(d.mean()),
        "max_rel": float((d / (s + np.abs(r))).max()),
        "max_spread": float(d.max() / s),
        "nmse": float(_ratio(np.sum(d**2), max(np.sum(r**2), unit**2 * r.size))),
        "cosine": min(
            cosine(np.append(a, unit), np.append(b, unit)) for a, b in zip(r, c, strict=True)
        ),
    }


def unit_of(references: Sequence[npt.NDArray[Any]]) -> float:
    """The unit u of an output from the reference's batches of it, see the module's text."""
    if any(one[0].size != 1 for one in references):
        return 0.0
    values = np.concatenate([np.asarray(one, dtype=np.float64).ravel() for one in references])
    return float(np.sqrt(np.mean(values**2)))


def scale(reference: Array, unit: float) -> float:
    """The scale s of values [B, K]: never 0, see the module's text."""
    centred = reference - reference.mean(axis=1, keepdims=True)
    spread, magnitude = float(np.sqrt(np.mean(centred**2))), float(np.abs(reference).max())
    if spread > _FLOAT32_ROUNDING * magnitude:
        return spread
    return max(magnitude, unit) or 1.0


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
