"""Suppression by products is the greedy walk over boxes, and says when it was not followed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vmamba_deploy.models.dense.suppression import STEPS, apart, suppress


def greedy(boxes: np.ndarray, threshold: float) -> np.ndarray:
    """[K] bool of boxes [K,4] by falling score: one after the other, in float32 as the product."""
    kept: list[int] = []
    left, top, right, bottom = boxes.astype(np.float32).T
    areas = (right - left) * (bottom - top)
    for i in range(len(boxes)):
        width = np.minimum(right[i], right[kept]) - np.maximum(left[i], left[kept])
        height = np.minimum(bottom[i], bottom[kept]) - np.maximum(top[i], top[kept])
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        union = np.maximum(areas[i] + areas[kept] - shared, np.float32(1e-12))
        if not (shared / union > threshold).any():
            kept.append(i)
    return np.isin(np.arange(len(boxes)), kept)


def random_boxes(rng: np.random.Generator, sets: int, count: int, spread: float) -> np.ndarray:
    corners = rng.uniform(0, spread, (sets, count, 2))
    return np.concatenate([corners, corners + rng.uniform(1, 60, (sets, count, 2))], -1)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("spread", [40.0, 400.0])
def test_as_the_greedy_walk(threshold, spread):
    boxes = random_boxes(np.random.default_rng(), 3, 200, spread).astype(np.float32)
    kept, settled = suppress(torch.from_numpy(boxes), threshold)
    assert settled.all()
    for one, wanted in zip(kept.numpy(), boxes, strict=True):
        np.testing.assert_array_equal(one, greedy(wanted, threshold))


def chain(links: int) -> np.ndarray:
    """Boxes that each overlap the one before and after alone."""
    left = 10.0 * np.arange(links)
    return np.stack([left, 0 * left, left + 15, 0 * left + 9], -1).astype(np.float32)[None]


def test_chains_longer_than_the_steps_are_told():
    long, short = chain(STEPS + 2), chain(STEPS - 2)
    kept, settled = suppress(torch.from_numpy(short), 0.15)
    assert settled.tolist() == [True]
    np.testing.assert_array_equal(kept[0].numpy(), np.arange(STEPS - 2) % 2 == 0)
    assert suppress(torch.from_numpy(long), 0.15).settled.tolist() == [False]
    both = torch.from_numpy(
        np.concatenate([long, random_boxes(np.random.default_rng(), 1, 42, 99)])
    )
    assert suppress(both.float(), 0.15).settled[0].item() is False


def test_boxes_of_no_area_suppress_nothing():
    boxes = torch.zeros(1, 5, 4)
    assert suppress(boxes, 0.5).kept.all()
    assert suppress(boxes + 7, 0.0).kept.all()


def test_an_overlap_of_the_threshold_itself_does_not_suppress():
    boxes = torch.tensor([[[0.0, 0.0, 2.0, 1.0], [1.0, 0.0, 2.0, 1.0]]])  # one half
    assert suppress(boxes, 0.5).kept.all()
    assert suppress(boxes, 0.49).kept.tolist() == [[True, False]]


def test_groups_are_moved_as_the_published_networks_move_them():
    boxes = torch.rand(2, 3, 4) * 100
    groups = torch.tensor([0, 1, 79])
    moved = apart(boxes, groups, boxes.flatten(1).amax(1))
    for one, got in zip(boxes, moved, strict=True):
        step = one.max() + 1
        assert torch.equal(got, one + groups[:, None].float() * step)
        assert got[1].min() > got[0].max()
