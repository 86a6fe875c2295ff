"""The histograms of logits say what the limits are about."""

from __future__ import annotations

import numpy as np
import pytest

from vmamba_deploy.parity.differences import Differences
from vmamba_deploy.parity.inputs import InputSet
from vmamba_deploy.parity.kinds.logits import compute_metrics
from vmamba_deploy.parity.witness import Compared
from vmamba_deploy.tasks import CLASSIFICATION, SEGMENTATION


def tell(differences, runtime, expected, got, images=("cat", "normal")):
    one = InputSet("a set", np.zeros((len(images), 3, 8, 8), np.float32), images)
    differences(Compared(runtime, one, {"logits": expected}, {"logits": got}))


def logits(scale=3.0):
    return np.random.default_rng().normal(scale=scale, size=(2, 1000)).astype(np.float32)


def test_every_difference_is_counted_and_the_largest_is_the_judged_one():
    expected = logits()
    got = expected.copy()
    got[:, 10:] += np.random.default_rng().normal(scale=1e-3, size=(2, 990)).astype(np.float32)
    differences = Differences(CLASSIFICATION)
    tell(differences, "openvino", expected, got)
    (one,) = differences.histograms
    changed = int(np.count_nonzero(got != expected))
    assert (one.runtime, sum(one.counts), one.equal) == ("openvino", changed, 2000 - changed)
    judged = compute_metrics(expected, got).max_spread
    last = max(place for place, count in enumerate(one.counts) if count)
    assert one.edges[last] <= judged <= one.edges[last + 1]


def test_sets_add_up_by_runtime_and_images_of_one_colour_are_left_out():
    expected = logits()
    differences = Differences(CLASSIFICATION)
    for runtime in ("onnxruntime-body", "tensorrt"):
        for _ in range(2):
            tell(differences, runtime, expected, expected + np.float32(0.5))
    tell(differences, "tensorrt", expected, expected + 1, images=("black", "white"))
    assert [one.runtime for one in differences.histograms] == ["onnxruntime-body", "tensorrt"]
    assert [sum(one.counts) for one in differences.histograms] == [4000, 4000]


@pytest.mark.parametrize(("off", "place"), [(1e-14, 0), (1e9, -1)])
def test_what_is_beyond_is_in_the_outermost_bins(off, place):
    expected = np.zeros((1, 4))
    expected[0, 0] = 1.0
    differences = Differences(CLASSIFICATION)
    got = expected + np.array([[0, off, np.nan, 0]])
    tell(differences, "tensorrt", expected, got, images=("cat",))
    (one,) = differences.histograms
    assert (one.counts[place], sum(one.counts), one.equal) == (1, 1, 2)


def test_answers_that_are_no_logits_have_none():
    differences = Differences(SEGMENTATION)
    tell(differences, "tensorrt", logits(), logits())
    assert differences.histograms == ()
