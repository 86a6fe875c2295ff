"""From a score for each class of each proposal to the detections of a picture."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from vmamba_deploy.models.dense.boxes import chosen, zero_unless
from vmamba_deploy.models.dense.suppression import apart, suppress
from vmamba_deploy.tasks.detection import MAX_DETECTIONS

LEAST_SCORE = 0.05
MAX_OVERLAP = 0.5
MAX_PAIRS = 2000
"""Of a box and a class, whose overlaps are looked at: the best of a picture."""


class Detections(NamedTuple):
    """The best boxes of a picture, by falling score; zeros and the label -1 behind them.

    Attributes:
        boxes: [B, 100, 4].
        scores: [B, 100].
        labels: [B, 100] int64.
        valid: [B, 100] bool: which are detections.
        exact: [B] bool: with all pairs, and without an end to the steps of suppression, they would
            be the same.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    valid: Tensor
    exact: Tensor


def select(boxes: Tensor, scores: Tensor) -> Detections:
    """Suppress what overlaps a better box of the same class, and take the best of what is left.

    Args:
        boxes: [B, R, K, 4] for each class, or [B, R, 1, 4] for all of them.
        scores: [B, R, K], 0 where there is no proposal.
    """
    classes = scores.shape[2]
    likely = scores > LEAST_SCORE
    boxes = boxes.expand(-1, -1, classes, -1)
    top, indices = scores.flatten(1).topk(min(MAX_PAIRS, scores.shape[1] * classes), dim=1)
    good = top > LEAST_SCORE
    pairs = zero_unless(good, chosen(boxes.flatten(1, 2), indices))
    labels = indices - torch.div(indices, classes, rounding_mode="trunc") * classes
    largest = zero_unless(likely, boxes).flatten(1).amax(dim=1)
    kept, settled = suppress(apart(pairs, labels, largest), MAX_OVERLAP)
    left = torch.where(kept & good, top, torch.zeros_like(top))
    found, places = left.topk(MAX_DETECTIONS, dim=1)
    valid = found > 0
    # Suppression goes from the best on: what comes after the hundredth that is kept is never asked.
    complete = (likely.flatten(1).sum(dim=1) <= MAX_PAIRS) | valid.all(dim=1)
    return Detections(
        zero_unless(valid, chosen(pairs, places)),
        found,
        torch.where(valid, labels.gather(1, places), torch.full_like(places, -1)),
        valid,
        settled & complete,
    )
