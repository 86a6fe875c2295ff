"""Proposals against a walk over every anchor in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.models.dense.test_boxes import decoded
from tests.models.dense.test_suppression import greedy
from vmamba_deploy.models.dense.rpn import MAX_PROPOSALS, RATIOS, STRIDES, RPNHead, anchors_at

LIMITS = torch.tensor([[120.0, 90.0, 120.0, 90.0]])


def all_anchors(height: int, width: int, stride: int) -> list[list[float]]:
    """By row, column and ratio, about the upper left corner of each pixel."""
    anchors = []
    for y in range(height):
        for x in range(width):
            for ratio in RATIOS:
                high, wide = 8 * stride * math.sqrt(ratio), 8 * stride / math.sqrt(ratio)
                left, top = x * stride - wide / 2, y * stride - high / 2
                anchors.append([left, top, left + wide, top + high])
    return anchors


@pytest.mark.parametrize("stride", STRIDES)
def test_anchors(stride):
    got = anchors_at(torch.arange(3 * 5 * 7), 7, stride)
    np.testing.assert_allclose(got.numpy(), all_anchors(5, 7, stride), rtol=1e-6, atol=1e-4)


def head_and_pyramid() -> tuple[RPNHead, list[Tensor]]:
    torch.manual_seed(int(np.random.default_rng().integers(1 << 30)))
    head = RPNHead(6).requires_grad_(False)
    for parameter in head.parameters():
        parameter.normal_(0, 0.4)
    sides = [(-(-96 // stride), -(-128 // stride)) for stride in STRIDES]
    return head, [torch.randn(1, 6, *side) for side in sides]


def walked(head: RPNHead, pyramid: list[Tensor]) -> list[tuple[float, list[float]]]:
    """(logit, box) of the best anchors of each level that no better one of it overlaps."""
    found = []
    for x, stride in zip(pyramid, STRIDES, strict=True):
        logits, deltas = (part[0].permute(1, 2, 0) for part in head.raw(x))
        anchors = all_anchors(*x.shape[2:], stride)
        pairs = zip(anchors, deltas.reshape(-1, 4).tolist(), strict=True)
        boxes = np.array([decoded(*pair, (1, 1, 1, 1), LIMITS[0]) for pair in pairs])
        order = np.argsort(-logits.flatten().numpy(), kind="stable")[:MAX_PROPOSALS]
        real = [i for i in order if (boxes[i, 2:] - boxes[i, :2] > 0).all()]
        kept = greedy(boxes[real], 0.7)
        found += [
            (float(logits.flatten()[i]), boxes[i].tolist())
            for i, keep in zip(real, kept, strict=True)
            if keep
        ]
    return sorted(found, key=lambda one: -one[0])[:MAX_PROPOSALS]


def test_as_a_walk_over_all_anchors():
    head, pyramid = head_and_pyramid()
    found = head(pyramid, LIMITS)
    wanted = np.array([box for _, box in walked(head, pyramid)])
    got = found.boxes[0][found.valid[0]].numpy()
    assert found.exact.all()
    assert 100 < len(wanted) < MAX_PROPOSALS
    # An overlap within rounding of the threshold may be decided otherwise.
    assert abs(len(got) - len(wanted)) <= 2
    distances = np.abs(got[None] - wanted[:, None]).max(-1).min(1)
    assert (distances < 1e-2).mean() > 0.99


def test_what_is_no_proposal_is_zeros_behind_the_others():
    head, pyramid = head_and_pyramid()
    boxes, valid, _ = head(pyramid, LIMITS)
    count = int(valid.sum())
    assert boxes.shape == (1, MAX_PROPOSALS, 4)
    assert valid[0, :count].all()
    assert not boxes[0, count:].any()
    nothing = head(pyramid, torch.zeros(1, 4))  # every box is clipped to nothing
    assert not nothing.valid.any()
    assert nothing.exact.all()


def test_pictures_of_a_batch_do_not_meet():
    head, pyramid = head_and_pyramid()
    _, others = head_and_pyramid()
    both = [torch.cat(pair) for pair in zip(pyramid, others, strict=True)]
    limits = torch.cat([LIMITS, LIMITS * 0.7])
    together = head(both, limits)
    for index, alone in enumerate((pyramid, others)):
        one = head(alone, limits[index : index + 1])
        torch.testing.assert_close(together.boxes[index], one.boxes[0], rtol=1e-4, atol=1e-2)
