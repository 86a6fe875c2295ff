"""Times of a run: percentiles, the rates that they are, and a histogram."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from vmamba_deploy.evaluation.results import Result

_BINS = 40


@dataclass(frozen=True)
class Percentiles:
    """Milliseconds per image, and what they are in images per second.

    Attributes:
        images_per_second: 1000 / mean: of one thread that reads, of one process that runs a
            network; NaN where no time was measured.
    """

    p50: float
    p90: float
    p99: float
    mean: float
    images_per_second: float = field(init=False)

    def __post_init__(self) -> None:
        rate = 1000 / self.mean if self.mean else math.nan
        object.__setattr__(self, "images_per_second", rate)


@dataclass(frozen=True)
class Histogram:
    """How many images took how long.

    Attributes:
        edges: of the bins, milliseconds, rising; one more than there are bins.
        counts: images in each bin; a time on an edge is in the bin above it, and the last bin has
            its upper edge too.
        longer: images above the last edge.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    longer: int


@dataclass(frozen=True)
class Timing:
    """Times per image, of every image in the journal; in a network, its share of its batch.

    Attributes:
        preprocess: reading, decoding and resizing, on a thread.
        inference: the artefact alone.
        reference: PyTorch alone; None without it.
        histogram: of `inference`.
    """

    preprocess: Percentiles
    inference: Percentiles
    reference: Percentiles | None
    histogram: Histogram


def timing_of(scored: Sequence[Result], references: Sequence[float] = ()) -> Timing | None:
    """The times of images that were run, and of a reference; None of no image."""
    if not scored:
        return None
    inference = [one.inference_ms for one in scored]
    return Timing(
        preprocess=_percentiles([one.preprocess_ms for one in scored]),
        inference=_percentiles(inference),
        reference=_percentiles(references) if references else None,
        histogram=_histogram(inference),
    )


def _percentiles(values: Sequence[float]) -> Percentiles:
    p50, p90, p99 = np.percentile(values, [50, 90, 99])
    return Percentiles(float(p50), float(p90), float(p99), float(np.mean(values)))


def _histogram(values: Sequence[float]) -> Histogram:
    """Up to as far above p99 as the median is below it: a few stragglers are counted, not drawn."""
    times = np.asarray(values, np.float64)
    p50, p99 = np.percentile(times, [50, 99])
    lowest, highest = float(times.min()), float(min(times.max(), 2 * p99 - p50))
    if highest <= lowest:
        highest = lowest + max(0.01 * lowest, 1e-3)
    counts, edges = np.histogram(times, _BINS, (lowest, highest))
    return Histogram(
        tuple(map(float, edges)), tuple(map(int, counts)), int((times > highest).sum())
    )
