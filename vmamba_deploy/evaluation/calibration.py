"""Calibration: whether answers that are given with 80% are right in 80 of 100 cases."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

BINS = 15
"""Of equal width; as many as in most publications, for the error depends on the number."""
_EDGES = tuple(index / BINS for index in range(BINS + 1))


@dataclass(frozen=True)
class CalibrationBin:
    """The images whose probability of top-1 is above `low` and at most `high`.

    Attributes:
        low, high: 0 to 1.
        images: how many.
        probability: the mean of theirs; NaN of no image.
        accuracy: share of them that are right; NaN of no image.
    """

    low: float
    high: float
    images: int
    probability: float
    accuracy: float


@dataclass(frozen=True)
class Calibration:
    """How far the probability of top-1 is from the share that is right.

    Attributes:
        ece: expected calibration error, 0 to 1: the mean over the images of the distance between
            accuracy and mean probability of their bin.
        probability: mean over the images.
        bins: by probability, all of them.
    """

    ece: float
    probability: float
    bins: tuple[CalibrationBin, ...]


def calibration_of(answers: Iterable[tuple[float, bool]]) -> Calibration | None:
    """Count.

    Args:
        answers: of each image the probability of its top-1 class, 0 to 1, and whether it is right.

    Returns:
        None of no image.
    """
    images, right, sums = [0] * BINS, [0] * BINS, [0.0] * BINS
    for probability, is_right in answers:
        place = max(bisect_left(_EDGES, probability) - 1, 0)
        images[place] += 1
        right[place] += is_right
        sums[place] += probability
    if not (total := sum(images)):
        return None
    distances = (abs(correct - given) for correct, given in zip(right, sums, strict=True))
    return Calibration(
        ece=math.fsum(distances) / total,
        probability=math.fsum(sums) / total,
        bins=tuple(
            CalibrationBin(
                _EDGES[place],
                _EDGES[place + 1],
                count,
                sums[place] / count if count else math.nan,
                right[place] / count if count else math.nan,
            )
            for place, count in enumerate(images)
        ),
    )
