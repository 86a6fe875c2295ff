"""Effective receptive fields: how much each pixel of an image adds to the centre of a feature map.

The measure is that of Luo et al. (arXiv 1701.04128) in the form of Ding et al. (arXiv 2203.06717,
section 4.3), with which VMamba (arXiv 2401.10166) shows its networks before and after training.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from vmamba_deploy.errors import InputFileError

if TYPE_CHECKING:
    from torch import Tensor

Field = npt.NDArray[np.float64]
"""Contributions [H, W], none negative."""
LastMap = Callable[["Tensor"], "Tensor"]
"""From pixel_values [1, C, H, W] to the map [1, K, h, w] whose centre is looked at."""

SHARES = (0.2, 0.3, 0.5, 0.95, 0.99)
"""Of all contributions; arXiv 2203.06717 tabulates 20, 30, 50 and 99%."""


def receptive_field(last_map: LastMap, images: Iterable[Tensor]) -> Field:
    """The mean over images of what each pixel adds to the centre of a network's map.

    With the map M [1, K, h, w] of an image I [1, C, H, W], a pixel's contribution is the sum over C
    of relu(d s / d I), where s is the sum over K of relu(M[0, :, h // 2, w // 2]).

    Args:
        last_map: differentiable; in eval mode, float32 or float64.
        images: pixel_values [1, C, H, W] of one size, normalised.

    Returns:
        [H, W] float64, in units of s per unit of pixel_values.

    Raises:
        ValueError: no image.
        InputFileError: contributions that are not finite, or all zero.
    """
    total: Field | None = None
    count = 0
    for image in images:
        added = contributions(last_map, image)
        total, count = (added if total is None else total + added), count + 1
    if total is None:
        raise ValueError("a receptive field needs an image")
    if not np.isfinite(total).all() or not total.any():
        raise InputFileError(
            "no pixel adds to the centre of the last map, or the gradient is not finite: these "
            "weights have no receptive field"
        )
    return total / count


def contributions(last_map: LastMap, image: Tensor) -> Field:
    """See `receptive_field`, of one image."""
    import torch

    with torch.enable_grad():
        pixels = image.detach().clone().requires_grad_(True)
        features = last_map(pixels)
        height, width = features.shape[2:]
        centre = features[:, :, height // 2, width // 2].relu().sum()
        (gradient,) = torch.autograd.grad(centre, pixels)
    return np.asarray(gradient.relu().double().sum(dim=(0, 1)).numpy(), dtype=np.float64)


@dataclass(frozen=True)
class Extent:
    """How far from the centre a share of all contributions reaches.

    Attributes:
        share: 0 to 1.
        radius_pixels: of the smallest circle that holds it.
        square_share: part of the image's area that the smallest square around the centre covers
            which holds it, clipped to the image.
        square_share_log: the same of log10(1 + contribution), which arXiv 2203.06717 tabulates as
            the high-contribution area ratio; it changes with the scale of the contributions.
    """

    share: float
    radius_pixels: float
    square_share: float
    square_share_log: float


def extents(
    field: Field, map_size: tuple[int, int], shares: Iterable[float] = SHARES
) -> tuple[Extent, ...]:
    """The extents of a receptive field.

    Args:
        field: [H, W].
        map_size: (h, w) of the map whose centre was looked at; it says where the centre lies.
        shares: of all contributions, above 0 and at most 1.
    """
    down, right = _offsets(field.shape, map_size)
    circles, squares = np.hypot(down, right), np.maximum(abs(down), abs(right))
    logarithms = np.log10(field + 1)

    def square(weights: Field, share: float) -> float:
        return float(np.mean(squares <= _reach(weights, squares, share)))

    return tuple(
        Extent(
            share, _reach(field, circles, share), square(field, share), square(logarithms, share)
        )
        for share in shares
    )


def centre_of(size: tuple[int, ...], map_size: tuple[int, int]) -> tuple[float, float]:
    """Where, in pixels (down, right) of an image, the middle of its map's centre lies."""
    down, right = (
        (cells // 2 + 0.5) * side / cells for side, cells in zip(size, map_size, strict=True)
    )
    return down, right


def _offsets(size: tuple[int, ...], map_size: tuple[int, int]) -> tuple[Field, Field]:
    """Pixels [H, 1] down and [1, W] right from the middle of what the map's centre covers."""
    down, right = (
        np.arange(side, dtype=np.float64) + 0.5 - middle
        for side, middle in zip(size, centre_of(size, map_size), strict=True)
    )
    return down[:, None], right[None, :]


def _reach(weights: Field, distances: Field, share: float) -> float:
    """The least distance within which that share of the weights lies."""
    flat, order = weights.ravel(), np.argsort(distances, axis=None, kind="stable")
    within = np.cumsum(flat[order])
    # Summed in another order, the last few bits of the total may be missing.
    needed = min(share * math.fsum(flat), within[-1])
    return float(distances.ravel()[order][np.searchsorted(within, needed)])
