from __future__ import annotations

import math
import sys

import numpy as np
import pytest

from vmamba_deploy.timing.latencies import Latencies


def statistics_of(milliseconds):
    latencies = Latencies()
    latencies.add(milliseconds)
    return latencies.statistics()


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e4])
def test_figures_have_three_digits_at_every_scale(unit):
    times = np.random.default_rng(0).gamma(2.0, unit, 5000) + unit
    found = statistics_of(times)
    assert found.calls == 5000
    assert (found.min_ms, found.max_ms) == (times.min(), times.max())
    assert found.mean_ms == pytest.approx(times.mean())
    for percent, value in ((50, found.p50_ms), (90, found.p90_ms), (99, found.p99_ms)):
        # The least time that so many per cent did not exceed.
        exact = np.percentile(times, percent, method="inverted_cdf")
        assert value == pytest.approx(exact, rel=1e-3)


def test_of_one_call_every_figure_is_its_time():
    found = statistics_of([0.37])
    figures = (found.min_ms, found.p50_ms, found.p90_ms, found.p99_ms, found.max_ms, found.mean_ms)
    assert figures == (0.37,) * 6


def test_one_slow_call_in_fifty_is_the_99th_percentile_and_not_the_90th():
    found = statistics_of([1.0] * 49 + [80.0])
    assert found.p90_ms == pytest.approx(1.0, rel=1e-3)
    assert found.p99_ms == 80.0


def test_the_histogram_counts_every_call_once():
    times = [1.0, 1.0, 2.0, 2.0, 2.0, 400.0]
    histogram = statistics_of(times).histogram
    assert histogram.calls == (2, 3, 1)
    assert histogram.milliseconds == pytest.approx((1.0, 2.0, 400.0), rel=1e-3)


def test_memory_does_not_grow_with_the_calls():
    latencies = Latencies()
    for _ in range(50):
        latencies.add(1.0 + index * 1e-5 for index in range(1000))
    kept = sys.getsizeof(latencies._buckets)
    found = latencies.statistics()
    assert found.calls == 50_000
    # As many buckets as thousandths between 1 and 1.01 ms.
    assert len(found.histogram.calls) <= math.ceil(math.log(1.01) / math.log(1.001)) + 1
    latencies.add(1.0 + index * 1e-5 for index in range(1000))
    assert sys.getsizeof(latencies._buckets) == kept


def test_a_clock_that_stood_still_is_counted():
    assert statistics_of([0.0, 1.0]).min_ms == 1e-6  # a nanosecond


def test_without_calls_there_are_no_statistics():
    with pytest.raises(ValueError, match="no call was timed"):
        Latencies().statistics()
