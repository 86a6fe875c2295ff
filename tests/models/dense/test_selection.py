"""The detections of a picture, against a walk over its proposals and classes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.models.dense.test_suppression import greedy, random_boxes
from vmamba_deploy.models.dense import selection
from vmamba_deploy.models.dense.selection import select


def walked(boxes: np.ndarray, scores: np.ndarray) -> list[tuple[float, int, list[float]]]:
    """(score, label, box) of boxes [R,K,4] and scores [R,K]: class by class, then the best 100."""
    found = []
    for label in range(scores.shape[1]):
        likely = np.flatnonzero(scores[:, label] > 0.05)
        order = likely[np.argsort(-scores[likely, label], kind="stable")]
        own = boxes[order, label]
        found += [
            (float(scores[row, label]), label, box.tolist())
            for row, box, kept in zip(order, own, greedy(own, 0.5), strict=True)
            if kept
        ]
    return sorted(found, key=lambda one: -one[0])[:100]


def pictures(rng, batch, rows, classes, scale, *, shared=False):
    boxes = random_boxes(rng, batch, rows * (1 if shared else classes), 100).astype(np.float32)
    # Whole numbers, so that moving the classes apart rounds nothing.
    boxes = boxes.round().reshape(batch, rows, -1, 4)
    scores = (rng.random((batch, rows, classes)) * scale).astype(np.float32)
    return boxes, scores


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("scale", [0.06, 0.2])
def test_as_a_walk(shared, scale):
    boxes, scores = pictures(np.random.default_rng(), 2, 150, 5, scale, shared=shared)
    found = select(torch.from_numpy(boxes), torch.from_numpy(scores))
    assert found.exact.all()
    full = np.broadcast_to(boxes, (*scores.shape, 4))
    for index in range(2):
        wanted = walked(full[index], scores[index])
        count = int(found.valid[index].sum())
        assert count == len(wanted)
        got = zip(found.scores[index], found.labels[index], found.boxes[index], strict=True)
        for (score, label, box), one in zip(list(got)[:count], wanted, strict=True):
            assert (score.item(), label.item(), box.tolist()) == one
        for part in (found.boxes, found.scores):
            assert not part[index, count:].any()
        assert (found.labels[index, count:] == -1).all()


def test_nothing_at_all():
    found = select(torch.rand(1, 200, 1, 4), torch.full((1, 200, 3), 0.05))
    assert not found.valid.any()
    assert found.exact.all()
    assert (found.labels == -1).all()


def test_it_says_whether_pairs_that_were_left_out_could_matter():
    rng = np.random.default_rng()
    boxes, scores = pictures(rng, 1, 1200, 3, 1.0)
    many = select(torch.from_numpy(boxes), torch.from_numpy(scores))
    assert (scores > 0.05).sum() > selection.MAX_PAIRS
    assert many.valid.all()  # a hundred from the best pairs alone: the others come behind
    assert many.exact.all()
    same = np.broadcast_to(np.float32([10, 10, 90, 90]), boxes.shape).copy()
    few = select(torch.from_numpy(same), torch.from_numpy(scores))
    assert few.valid.sum() == 3
    assert not few.exact.any()
