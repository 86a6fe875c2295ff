"""Percentiles, rates and the histogram, against the times sorted, on times drawn anew."""

import math
from itertools import pairwise

import numpy as np
import pytest

from vmamba_deploy.evaluation.results import Result
from vmamba_deploy.evaluation.timing import timing_of


def results(times, preprocess=1.0):
    return [Result(index, preprocess, time) for index, time in enumerate(times)]


def test_percentiles_and_rates():
    times = np.random.default_rng().gamma(9, 0.4, 777)
    timing = timing_of(results(times.tolist()), [2.0, 6.0])
    ranked = np.sort(times)
    for name, part in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
        place = part * (len(times) - 1)
        below, above = ranked[math.floor(place)], ranked[math.ceil(place)]
        expected = below + (place % 1) * (above - below)
        assert getattr(timing.inference, name) == pytest.approx(expected, rel=1e-12)
    # Images by the time of the network alone, which its batches take one after another.
    assert timing.inference.images_per_second == pytest.approx(1e3 * len(times) / times.sum())
    assert timing.reference.images_per_second == 250
    assert timing.preprocess.images_per_second == 1000


def test_the_histogram_counts_every_image():
    times = np.random.default_rng().lognormal(1, 1, 3000)
    histogram = timing_of(results(times.tolist())).histogram
    edges = np.array(histogram.edges)
    expected = [((times >= low) & (times < high)).sum() for low, high in pairwise(edges)]
    expected[-1] += (times == edges[-1]).sum()
    assert list(histogram.counts) == expected
    assert histogram.longer == (times > edges[-1]).sum()
    assert sum(histogram.counts) + histogram.longer == len(times)
    assert edges[0] == times.min()
    assert edges[-1] >= np.percentile(times, 99)


@pytest.mark.parametrize("time", [0.0, 0.25, 4000.0])
def test_times_that_are_all_equal_have_a_histogram(time):
    timing = timing_of(results([time] * 5))
    assert sum(timing.histogram.counts) == 5
    assert all(low < high for low, high in pairwise(timing.histogram.edges))
    assert math.isnan(timing.inference.images_per_second) == (time == 0)


def test_no_image_has_no_time():
    assert timing_of([]) is None
