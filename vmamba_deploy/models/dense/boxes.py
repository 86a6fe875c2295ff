"""Boxes as corners x1, y1, x2, y2 in pixels of the input, x2 - x1 wide, float32."""

from __future__ import annotations

import math

import torch
from torch import Tensor

MAX_LOG_RATIO = abs(math.log(16 / 1000))
"""Of a box's side over its predecessor's, up or down."""


def picture_limits(pixel_values: Tensor, sizes: Tensor | None) -> Tensor:
    """What the corners of boxes are clipped to: [B, 4], width, height, width, height.

    Args:
        pixel_values: [B, I, H, W].
        sizes: [B, 2] height and width of each picture before it was padded; None: H and W.
    """
    if sizes is None:
        batch, _, height, width = pixel_values.shape
        sides = [pixel_values.new_full((batch,), side) for side in (width, height)]
        return torch.stack(sides * 2, dim=1).float()
    return sizes.to(torch.float32)[:, [1, 0, 1, 0]]


def decode(boxes: Tensor, deltas: Tensor, stds: tuple[float, ...], limits: Tensor) -> Tensor:
    """Move and scale boxes by what a head says, and clip them to their picture.

    Args:
        boxes: [B, ..., 4].
        deltas: [B, ..., 4]: of the centre in widths and heights, of the sides in logarithms.
        stds: that the deltas are multiples of.
        limits: [B, 4], see `picture_limits`.

    Returns:
        [B, ..., 4], of the shapes' broadcast.
    """
    deltas = deltas.float() * deltas.new_tensor(stds, dtype=torch.float32)
    top_left, bottom_right = boxes[..., :2], boxes[..., 2:]
    centres, sides = (top_left + bottom_right) * 0.5, bottom_right - top_left
    centres = centres + sides * deltas[..., :2]
    sides = sides * deltas[..., 2:].clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp()
    moved = torch.cat([centres - sides * 0.5, centres + sides * 0.5], dim=-1)
    most = limits.reshape(limits.shape[0], *[1] * (moved.ndim - 2), 4)
    return torch.minimum(moved.clamp(min=0), most)


def has_area(boxes: Tensor) -> Tensor:
    """Which of the boxes [..., 4] are wider and higher than nothing, [...]."""
    left, top, right, bottom = boxes.unbind(dim=-1)
    return (right - left > 0) & (bottom - top > 0)


def zero_unless(kept: Tensor, boxes: Tensor) -> Tensor:
    """Boxes [..., 4] with zeros where `kept` [...] is false."""
    return torch.where(kept[..., None], boxes, torch.zeros_like(boxes))


def chosen(values: Tensor, indices: Tensor) -> Tensor:
    """Of rows [B, N, C] those at `indices` [B, K], [B, K, C]."""
    return values.gather(1, indices[..., None].expand(-1, -1, values.shape[-1]))
