"""Non-maximum suppression in products of fixed size.

Greedy suppression walks the boxes by falling score and keeps one unless it overlaps one that was
kept before. Said without a walk: keep = not (any earlier kept box overlaps), a system with one
solution, for each box depends on earlier ones alone. Beginning with all of them kept, every step of
keep' = not (overlaps keep) makes one more link of every chain of boxes that suppress each other
right, so a few steps reach the solution, and a step that changes nothing proves it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

STEPS = 40
"""Links of a chain that are followed: random scores make chains of 10, smooth ones of 39."""
_LEAST_UNION = 1e-12


class Suppressed(NamedTuple):
    """What suppression leaves of N sets of K boxes.

    Attributes:
        kept: [N, K] bool.
        settled: [N] bool: no further step would change it.
    """

    kept: Tensor
    settled: Tensor


def suppress(boxes: Tensor, threshold: float) -> Suppressed:
    """Suppress boxes that overlap an earlier one.

    Args:
        boxes: [N, K, 4], each set by falling score.
        threshold: of intersection over union, above which one suppresses another.
    """
    overlaps = _earlier_overlaps(boxes, threshold)
    kept = before = overlaps.new_ones(*overlaps.shape[:-1], 1)
    for _ in range(STEPS):
        before, kept = kept, 1 - (overlaps @ kept).clamp(max=1)
    return Suppressed(kept[..., 0] > 0, (kept == before).flatten(1).all(dim=1))


def apart(boxes: Tensor, groups: Tensor, largest: Tensor) -> Tensor:
    """Move boxes so that those of different groups never overlap.

    Args:
        boxes: [B, ..., 4], coordinates from 0 on.
        groups: index of the group of each, of a shape that broadcasts to [B, ...].
        largest: [B] coordinate of a picture's boxes.

    Returns:
        The boxes, moved by groups times the largest coordinate plus 1, in float32: the published
        networks round there too, which decides at the threshold.
    """
    step = (largest + 1).reshape(-1, *[1] * (boxes.ndim - 1))
    return boxes + groups.to(boxes.dtype)[..., None] * step


def _earlier_overlaps(boxes: Tensor, threshold: float) -> Tensor:
    """[N, K, K] float32: 1 where column j stands before row i and overlaps it, else 0."""
    left, top, right, bottom = boxes.unbind(dim=-1)
    areas = (right - left) * (bottom - top)
    width = torch.minimum(right[:, :, None], right[:, None]) - torch.maximum(
        left[:, :, None], left[:, None]
    )
    height = torch.minimum(bottom[:, :, None], bottom[:, None]) - torch.maximum(
        top[:, :, None], top[:, None]
    )
    shared = width.clamp(min=0) * height.clamp(min=0)
    union = (areas[:, :, None] + areas[:, None] - shared).clamp(min=_LEAST_UNION)
    rank = torch.arange(boxes.shape[1], device=boxes.device)
    earlier = rank[:, None] > rank[None, :]
    return ((shared / union > threshold) & earlier).to(torch.float32)
