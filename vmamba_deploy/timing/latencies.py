"""Latencies of many calls as counts, which take as little memory after a day as after a minute."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

_LOG_WIDTH = math.log(1.001)
_LEAST_MS = 1e-6
"""A clock's step; what took none has no logarithm."""


@dataclass(frozen=True)
class Histogram:
    """How many calls took how long.

    Attributes:
        milliseconds: the middle of each bucket that holds a call, ascending. A bucket is as wide
            as a thousandth of what it holds.
        calls: in each.
    """

    milliseconds: tuple[float, ...]
    calls: tuple[int, ...]


@dataclass(frozen=True)
class LatencyStatistics:
    """What the calls of one runtime took, in milliseconds.

    The least, the mean and the most are exact. A percentile is the least time that so many per cent
    of the calls did not exceed, to three significant digits.

    Attributes:
        calls: that were timed.
    """

    calls: int
    min_ms: float
    mean_ms: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float
    histogram: Histogram


@dataclass(frozen=True)
class Latency:
    """What calls of one runtime took at one batch size.

    Attributes:
        runtime: its name.
        batch: images of a call.
        streams: that called side by side.
        times: of the calls, copies to and from a GPU among them.
        images_per_second: of all streams together.
        speedup: that rate over the first runtime's at this batch size.
    """

    runtime: str
    batch: int
    streams: int
    times: LatencyStatistics
    images_per_second: float
    speedup: float


class Latencies:
    """Takes latencies in, and keeps counts of them alone."""

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self._total, self._least, self._most = 0.0, math.inf, 0.0

    def add(self, milliseconds: Iterable[float]) -> None:
        """Count some calls."""
        for one in (max(each, _LEAST_MS) for each in milliseconds):
            self._buckets[math.floor(math.log(one) / _LOG_WIDTH)] += 1
            self._total += one
            self._least, self._most = min(self._least, one), max(self._most, one)

    def statistics(self) -> LatencyStatistics:
        """Of all that was counted.

        Raises:
            ValueError: nothing was.
        """
        if not self._buckets:
            raise ValueError("no call was timed")
        numbers = sorted(self._buckets)
        histogram = Histogram(
            tuple(self._middle(number) for number in numbers),
            tuple(self._buckets[number] for number in numbers),
        )
        calls = self._buckets.total()
        return LatencyStatistics(
            calls,
            self._least,
            self._total / calls,
            _percentile(histogram, 50),
            _percentile(histogram, 90),
            _percentile(histogram, 99),
            self._most,
            histogram,
        )

    def _middle(self, number: int) -> float:
        """Of a bucket; never beyond a time that was measured."""
        return min(max(math.exp((number + 0.5) * _LOG_WIDTH), self._least), self._most)


def _percentile(histogram: Histogram, percent: int) -> float:
    rank = math.ceil(sum(histogram.calls) * percent / 100)
    seen = 0
    for milliseconds, calls in zip(histogram.milliseconds, histogram.calls, strict=True):
        seen += calls
        if seen >= rank:
            return milliseconds
    raise ValueError("an empty histogram has no percentiles")
