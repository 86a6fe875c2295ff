"""Boxes against float64, one by one."""

from __future__ import annotations

import math

import numpy as np
import torch

from vmamba_deploy.models.dense.boxes import chosen, decode, has_area, picture_limits, zero_unless


def decoded(box, delta, stds, limit) -> list[float]:
    """In float64, from the definition."""
    dx, dy, dw, dh = (float(d) * s for d, s in zip(delta, stds, strict=True))
    x1, y1, x2, y2 = map(float, box)
    most = abs(math.log(16 / 1000))
    width, height = (x2 - x1), (y2 - y1)
    cx, cy = (x1 + x2) / 2 + width * dx, (y1 + y2) / 2 + height * dy
    width *= math.exp(min(max(dw, -most), most))
    height *= math.exp(min(max(dh, -most), most))
    corners = cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2
    return [
        min(max(c, 0.0), float(most_of_it)) for c, most_of_it in zip(corners, limit, strict=True)
    ]


def test_decoding_against_float64():
    rng = np.random.default_rng()
    corners = rng.uniform(-20, 300, (2, 50, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(0, 200, (2, 50, 2))], -1)
    deltas = rng.standard_normal((2, 50, 4)) * [3, 3, 12, 12]  # beyond the largest ratio, too
    limits = np.array([[310.0, 200.0, 310.0, 200.0], [90.5, 280.0, 90.5, 280.0]])
    stds = (0.1, 0.2, 0.3, 0.6)
    got = decode(
        *(torch.from_numpy(a).float() for a in (boxes, deltas)),
        stds,
        torch.from_numpy(limits).float(),
    )
    wanted = [
        [decoded(b, d, stds, limit) for b, d in zip(*each, strict=True)]
        for *each, limit in zip(boxes, deltas, limits, strict=True)
    ]
    np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-5, atol=1e-3)
    by_class = decode(
        torch.from_numpy(boxes).float()[:, :, None],
        torch.from_numpy(deltas).float()[:, :, None].expand(-1, -1, 3, -1),
        stds,
        torch.from_numpy(limits).float(),
    )
    assert torch.equal(by_class[:, :, 2], got)


def test_limits_are_the_pictures_own_or_the_map():
    pixels = torch.zeros(2, 3, 64, 96)
    assert picture_limits(pixels, None).tolist() == [[96.0, 64.0, 96.0, 64.0]] * 2
    sizes = torch.tensor([[60, 90], [64, 33]])
    assert picture_limits(pixels, sizes).tolist() == [[90, 60, 90, 60], [33, 64, 33, 64]]


def test_areas_and_choices():
    boxes = torch.tensor([[[1.0, 1, 2, 2], [1, 1, 1, 2], [1, 1, 2, 1], [2, 1, 1, 2]]])
    assert has_area(boxes).tolist() == [[True, False, False, False]]
    assert zero_unless(has_area(boxes), boxes)[0, 1:].abs().sum() == 0
    assert torch.equal(chosen(boxes, torch.tensor([[3, 0]])), boxes[:, [3, 0]])
