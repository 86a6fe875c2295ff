"""The calibration error, against a sum over the images in float64, on probabilities drawn anew."""

import math

import numpy as np
import pytest

from vmamba_deploy.evaluation.calibration import BINS, calibration_of


def test_the_error_is_that_of_its_definition():
    generator = np.random.default_rng()
    probabilities = generator.beta(4, 1.5, 2000)
    right = generator.random(2000) < probabilities**1.4
    found = calibration_of(zip(probabilities.tolist(), right.tolist(), strict=True))
    edges = np.linspace(0, 1, BINS + 1)
    error = 0.0
    for one, low, high in zip(found.bins, edges[:-1], edges[1:], strict=True):
        inside = (probabilities > low) & (probabilities <= high)
        assert (one.low, one.high) == pytest.approx((low, high))
        assert one.images == inside.sum()
        if one.images:
            assert one.accuracy == pytest.approx(right[inside].mean(), rel=1e-12)
            assert one.probability == pytest.approx(probabilities[inside].mean(), rel=1e-12)
            error += inside.mean() * abs(right[inside].mean() - probabilities[inside].mean())
    assert found.ece == pytest.approx(error, rel=1e-12)
    assert 0.01 < error < 0.3
    assert found.probability == pytest.approx(probabilities.mean(), rel=1e-12)


def test_a_probability_on_an_edge_is_in_the_bin_below_it():
    found = calibration_of([(0.0, False), (0.2, True), (0.4, True), (1.0, True)])
    assert [one.images for one in found.bins] == [1, 0, 1, 0, 0, 1, *[0] * 8, 1]
    assert math.isnan(found.bins[1].accuracy)


def test_certain_and_right_has_no_error():
    assert calibration_of([(1.0, True)] * 7).ece == 0
    assert calibration_of([(1.0, False)] * 7).ece == 1
    assert calibration_of([]) is None
