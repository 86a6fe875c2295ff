"""Shaken images: how far from the images they are, and what stays."""

from __future__ import annotations

import numpy as np
import pytest

from vmamba_deploy.parity.inputs import InputSet, shaken


def test_every_value_moves_by_its_share_and_zeros_stay() -> None:
    pixels = np.random.default_rng().standard_normal((2, 3, 64, 64)).astype(np.float32)
    pixels[:, :, 48:] = 0
    copies = shaken(InputSet("photos-b2", pixels, ("cat", "rocket")), 1e-2, 3)
    assert len(copies) == 3
    assert {one.images for one in copies} == {("cat", "rocket")}
    for one in copies:
        assert one.pixel_values.dtype == np.float32
        assert not one.pixel_values[:, :, 48:].any()
        moved = one.pixel_values[:, :, :48] / pixels[:, :, :48] - 1
        assert np.sqrt(np.mean(moved.astype(np.float64) ** 2)) == pytest.approx(1e-2, rel=0.05)
    assert not np.array_equal(copies[0].pixel_values, copies[1].pixel_values)


def test_bytes_move_even_by_less_than_a_grey_level_and_stay_bytes() -> None:
    pixels = np.full((1, 64, 64, 3), 100, np.uint8)
    pixels[:, :8] = 0
    pixels[:, 8:16] = 255
    (one,) = shaken(InputSet("photos-b1", pixels, ("cat",)), 2e-3, 1)
    assert one.pixel_values.dtype == np.uint8
    moved = one.pixel_values.astype(int) - pixels
    assert not moved[:, :8].any()
    assert moved[:, 8:16].max() <= 0
    inside = moved[:, 16:]
    assert 0 < np.mean(inside != 0) < 0.5
    assert abs(inside.mean()) < 0.05


def test_equal_seeds_give_equal_copies() -> None:
    one = InputSet("noise-b1", np.ones((1, 3, 8, 8), np.float32), ("normal",))
    first, second = (shaken(one, 1e-3, 1)[0].pixel_values for _ in range(2))
    np.testing.assert_array_equal(first, second)
