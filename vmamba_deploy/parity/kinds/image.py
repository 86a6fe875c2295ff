"""Images that people look at: how far they are from the reference's, in decibels.

Beside the figures of `parity.metrics`, for each image r of the reference and c of the candidate:

| figure | definition                                                                            |
|--------|---------------------------------------------------------------------------------------|
| psnr   | smallest over the images of 10 log10(P^2 / mean (c - r)^2), at most 200 dB            |

P is the peak of the image r, its largest magnitude or the range of its values, whichever is larger,
so that it does not matter whether values go from 0 to 1, from -1 to 1 or to 255; 1 where r is 0.
From 54 dB on, half a grey level of 8 bits everywhere, two images look the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from vmamba_deploy.parity.figures import Answer
from vmamba_deploy.parity.metrics import Array, Metrics, measure
from vmamba_deploy.precisions import Thresholds

_MOST_DB = 200.0


@dataclass(frozen=True)
class ImageMetrics(Metrics):
    """Figures of images; the module's text defines each. NaN where not computable."""

    psnr: float

    limited: ClassVar[tuple[str, ...]] = (*Metrics.limited, "psnr")
    least: ClassVar[frozenset[str]] = Metrics.least | {"psnr"}
    smallest: ClassVar[tuple[str, ...]] = (*Metrics.smallest, "psnr")


def compare_images(answer: Answer, _limits: Thresholds) -> ImageMetrics:
    """Compare images [B, C, H, W] with the reference's.

    Raises:
        ValueError: shapes differ or are others, or the reference is not finite.
    """
    r, c = (np.asarray(one, dtype=np.float64) for one in answer.pair())
    if r.ndim != 4 or r.shape != c.shape:
        raise ValueError(f"images have shape {list(c.shape)}, the reference's {list(r.shape)}")
    flat_r, flat_c = r.reshape(len(r), -1), c.reshape(len(c), -1)
    measured = measure(flat_r, flat_c, answer.unit)
    if measured["non_finite"]:
        return ImageMetrics.unknown(len(r), measured["non_finite"])
    return ImageMetrics(**measured, psnr=min(map(psnr, flat_r, flat_c)))


def psnr(reference: npt.NDArray[Any], candidate: npt.NDArray[Any]) -> float:
    """The peak signal-to-noise ratio of one image, in dB; see the module's text."""
    r, c = (np.asarray(one, dtype=np.float64) for one in (reference, candidate))
    error = float(np.mean((c - r) ** 2))
    peak = _peak(r)
    return min(_MOST_DB, 10 * math.log10(peak**2 / error)) if error else _MOST_DB


def _peak(r: Array) -> float:
    return max(float(np.ptp(r)), float(np.abs(r).max())) or 1.0
