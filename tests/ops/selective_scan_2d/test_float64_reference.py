"""The reference that everything is measured against, checked by hand and in closed form."""

from __future__ import annotations

import numpy as np

from vmamba_deploy.ops.selective_scan.float64_reference import route_pixels
from vmamba_deploy.ops.selective_scan_2d.float64_reference import selective_scan_2d_float64


def test_routes_of_a_two_by_three_map():
    assert route_pixels(0, 2, 3).tolist() == [0, 1, 2, 3, 4, 5]
    assert route_pixels(1, 2, 3).tolist() == [0, 3, 1, 4, 2, 5]
    assert route_pixels(2, 2, 3).tolist() == [5, 4, 3, 2, 1, 0]
    assert route_pixels(3, 2, 3).tolist() == [5, 2, 4, 1, 3, 0]


def test_two_pixels_by_hand():
    # One channel, R = N = 1. v = 0 everywhere, so delta = ln 2; a = -1, so each decay is 1/2.
    x = np.array([3.0, 5.0]).reshape(1, 1, 2, 1)
    b, c = 2.0, 7.0
    proj = np.tile([0.0, b, c], 4 * 2).reshape(1, 1, 2, 12)
    y = selective_scan_2d_float64(
        x, proj, np.ones((4, 1, 1)), np.zeros((4, 1)), -np.ones((4, 1, 1)), np.full((4, 1), 0.25)
    )
    ln2 = np.log(2.0)
    first, second = ln2 * b * 3, ln2 * b * 5
    forward = [c * first, c * (first / 2 + second)]
    backward = [c * (second / 2 + first), c * second]
    # A single row: both pairs of routes see the same order.
    expected = [2 * forward[i] + 2 * backward[i] + x[0, 0, i, 0] for i in range(2)]
    np.testing.assert_allclose(y.reshape(-1), expected, rtol=1e-14)


def test_constant_input_is_a_geometric_series():
    # With every input constant, h after t steps is drive * (1 - decay^t) / (1 - decay).
    height, width, v, a, b, c, skip, u = 4, 5, 0.3, -0.7, 1.5, -0.4, 0.2, 2.0
    proj = np.tile([v, b, c], 4).reshape(1, 1, 1, 12) * np.ones((1, height, width, 1))
    y = selective_scan_2d_float64(
        np.full((1, height, width, 1), u),
        proj,
        np.ones((4, 1, 1)),
        np.zeros((4, 1)),
        np.full((4, 1, 1), a),
        np.full((4, 1), skip),
    )
    delta = np.log1p(np.exp(v))
    decay = np.exp(delta * a)
    row, column = np.mgrid[:height, :width]
    forward = row * width + column + 1
    down = column * height + row + 1
    total = height * width + 1
    steps = [forward, down, total - forward, total - down]
    h = sum(delta * b * u * (1 - decay**t) / (1 - decay) for t in steps)
    np.testing.assert_allclose(y[0, :, :, 0], c * h + 4 * skip * u, rtol=1e-12)
