"""The reference that everything is measured against, checked by hand and against the first op."""

from __future__ import annotations

import numpy as np
import pytest

from vmamba_deploy.ops.selective_scan.float64_reference import (
    route_pixels,
    selective_scan_float64,
)
from vmamba_deploy.ops.selective_scan.specification import ScanDims
from vmamba_deploy.testing import every_form, random_case


def test_routes_of_a_two_by_three_map():
    assert route_pixels(0, 2, 3).tolist() == [0, 1, 2, 3, 4, 5]
    assert route_pixels(1, 2, 3).tolist() == [0, 3, 1, 4, 2, 5]
    assert route_pixels(2, 2, 3).tolist() == [5, 4, 3, 2, 1, 0]
    assert route_pixels(3, 2, 3).tolist() == [5, 2, 4, 1, 3, 0]


# One channel, R = N = 1, two pixels. v = 0, so delta = ln 2; a = -1, so each decay is 1/2.
LN2, B, C, SKIP = np.log(2.0), 2.0, 7.0, 0.25
ONES, ZEROS = np.ones((2, 1, 1)), np.zeros((2, 1))


def visits(first: float, second: float) -> list[float]:
    """What a route adds to the pixels that it visits first and second."""
    kept = LN2 * B * first
    return [C * kept + SKIP * first, C * (kept / 2 + LN2 * B * second) + SKIP * second]


def test_one_route_by_hand():
    y = selective_scan_float64(
        np.array([3.0, 5.0]).reshape(1, 1, 2, 1),
        np.tile([0.0, B, C], 2).reshape(1, 1, 2, 3),
        *(ONES[:1], ZEROS[:1], -ONES[:1], np.full((1, 1), SKIP)),
        routes=(0,),
    )
    np.testing.assert_allclose(y.reshape(-1), visits(3, 5), rtol=1e-14)


def test_two_routes_with_an_x_each_by_hand():
    y = selective_scan_float64(
        np.array([3.0, 5.0, 11.0, 13.0]).reshape(2, 1, 1, 2, 1),
        np.tile([0.0, B, C], 4).reshape(2, 1, 1, 2, 3),
        *(ONES, ZEROS, -ONES, np.full((2, 1), SKIP)),
        routes=(0, 2),
    )
    forward, backward = visits(3, 5), visits(13, 11)
    expected = [forward[0] + backward[1], forward[1] + backward[0]]
    np.testing.assert_allclose(y.reshape(-1), expected, rtol=1e-14)


def test_a_step_for_each_channel_is_a_diagonal_projection():
    case = random_case(ScanDims(2, 3, 4, 6, 2, 1, (0, 2), step_per_channel=True), seed=1)
    x, proj, dt_weight, *others = case.inputs
    diagonal = np.stack([np.diag(dt_weight[route, 0]) for route in range(2)])
    low_rank = selective_scan_float64(x, proj, diagonal, *others, routes=(0, 2))
    np.testing.assert_allclose(case.expected, low_rank, rtol=1e-12)


@pytest.mark.parametrize("dims", every_form(ScanDims(2, 3, 5, 4, 2, 3)), ids=str)
def test_routes_add_up(dims):
    """y is the sum of what each route gives alone; a reversed one is a forward one of a flip."""
    case = random_case(dims, seed=2)
    x, proj, *parameters = case.inputs
    total = np.zeros_like(case.expected)
    for route, direction in enumerate(dims.routes):
        if dims.x_per_route:
            own_x, own_proj = x[route], proj[route]
        else:
            own_x = x
            own_proj = proj.reshape(*proj.shape[:3], len(dims.routes), -1)[..., route, :]

        def turned(maps: np.ndarray, direction: int = direction) -> np.ndarray:
            flipped = maps if direction < 2 else maps[:, ::-1, ::-1]
            return flipped if direction % 2 == 0 else flipped.swapaxes(1, 2)

        def back(maps: np.ndarray, direction: int = direction) -> np.ndarray:
            upright = maps if direction % 2 == 0 else maps.swapaxes(1, 2)
            return upright if direction < 2 else upright[:, ::-1, ::-1]

        own = (value[route : route + 1] for value in parameters)
        total += back(selective_scan_float64(turned(own_x), turned(own_proj), *own, routes=(0,)))
    np.testing.assert_allclose(case.expected, total, rtol=1e-12)
