"""Pooling and resizing by two products, against PyTorch's own in float64."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from vmamba_deploy.models.dense.resizing import (
    average_pooled,
    resize_nearest,
    spread_bilinear,
)

SIZES = [(1, 1), (1, 7), (2, 3), (5, 4), (6, 6), (7, 13), (16, 25), (31, 32)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("cells", [1, 2, 3, 6])
def test_pooled_and_spread(size, cells):
    x = torch.randn(2, 3, *size)
    wanted = F.adaptive_avg_pool2d(x.double(), cells)
    torch.testing.assert_close(average_pooled(x, cells).double(), wanted, rtol=0, atol=3e-7)
    small = torch.randn(2, 3, cells, cells)
    wanted = F.interpolate(small.double(), size=size, mode="bilinear", align_corners=False)
    torch.testing.assert_close(spread_bilinear(small, size).double(), wanted, rtol=0, atol=2e-6)


def test_nearest_takes_the_pixel_at_the_rounded_down_place():
    x = torch.arange(12.0).reshape(1, 1, 3, 4)
    got = resize_nearest(x, (5, 8))
    for row in range(5):
        for column in range(8):
            assert got[0, 0, row, column] == x[0, 0, row * 3 // 5, column * 4 // 8]
