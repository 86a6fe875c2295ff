"""Shares: Wilson's 95% interval, and percent and numbers of images as text."""

from __future__ import annotations

import math
from dataclasses import dataclass

_Z = 1.959963984540054
"""Standard normal quantile of 97.5%."""


@dataclass(frozen=True)
class Proportion:
    """A share of `total`, with the interval that holds the true share in 95 of 100 data sets.

    Wilson's interval: it stays within 0..1 and is honest for shares near 0 or 1, where accuracies
    are and where the usual plus-minus is not.

    Attributes:
        count: the ones that count.
        total: of how many.
        share: count / total; NaN of nothing, like both ends.
        low, high: the ends of the interval.
    """

    count: int
    total: int
    share: float
    low: float
    high: float


def proportion(count: int, total: int) -> Proportion:
    """The share count / total with its interval."""
    if total == 0:
        return Proportion(0, 0, math.nan, math.nan, math.nan)
    share, z2 = count / total, _Z**2
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = _Z * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2)) / (1 + z2 / total)
    low = 0.0 if count == 0 else centre - half
    high = 1.0 if count == total else centre + half
    return Proportion(count, total, share, low, high)


def percent(share: float) -> str:
    """`97.33%`, rounded down: what misses a threshold by little must not seem to reach it."""
    if not math.isfinite(share):
        return "\N{EN DASH}"
    # What binary fractions lose in the multiplication is not to be rounded down.
    return f"{math.floor(share * 10000 + 1e-9) / 100:.2f}%"


def images(count: int) -> str:
    """`1 image`, `2 images`."""
    return f"{count} image" if count == 1 else f"{count} images"
