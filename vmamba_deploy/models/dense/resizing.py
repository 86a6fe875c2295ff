"""Resizing maps [B, C, H, W] to explicit sizes, and the pooling pyramid's two products.

What makes a small map of a large one or the other way round is a matrix for each direction:
y = R x C^T. Its entries follow from the two sizes alone, so a graph of free sizes makes them by
itself, with no pooling or resize whose windows it would have to know beforehand.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def resize_bilinear(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize to (height, width): half-pixel centres, no antialiasing."""
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


def resize_nearest(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize to (height, width): pixel i is the source's floor(i * source / target)."""
    return F.interpolate(x, size=size, mode="nearest")


def size_of(x: Tensor) -> tuple[int, int]:
    """(height, width) of a map."""
    return x.shape[-2], x.shape[-1]


def average_pooled(x: Tensor, cells: int) -> Tensor:
    """Averages of cells x cells windows that cover the map, float32 [B, C, cells, cells].

    Window k has the rows from floor(k H / cells) to ceil((k + 1) H / cells), that one left out,
    and likewise columns; neighbours may share some.
    """
    rows, columns = (_averaging(cells, side, x.device) for side in size_of(x))
    return rows @ x.float() @ columns.T


def spread_bilinear(x: Tensor, size: tuple[int, int]) -> Tensor:
    """As `resize_bilinear`, for a small map, float32; exact for a size of 1 too."""
    rows, columns = (
        _interpolating(side, cells, x.device) for side, cells in zip(size, size_of(x), strict=True)
    )
    return rows @ x.float() @ columns.T


def _averaging(cells: int, side: int, device: torch.device) -> Tensor:
    """[cells, side], each row of which sums to 1."""
    cell = torch.arange(cells, device=device)[:, None]
    pixel = torch.arange(side, device=device)[None, :]
    within = ((pixel + 1) * cells > cell * side) & (pixel * cells < (cell + 1) * side)
    weights = within.to(torch.float32)
    return weights / weights.sum(dim=1, keepdim=True)


def _interpolating(side: int, cells: int, device: torch.device) -> Tensor:
    """[side, cells], each row of which has one or two neighbours, whose weights sum to 1."""
    pixel = torch.arange(side, device=device).to(torch.float32)[:, None]
    cell = torch.arange(cells, device=device).to(torch.float32)[None, :]
    place = ((pixel + 0.5) * cells / side - 0.5).clamp(0, cells - 1)
    return (1 - (place - cell).abs()).clamp(min=0)
