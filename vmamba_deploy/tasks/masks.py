"""Masks of detections: laid over the picture, and as run lengths.

A network gives each detection's mask as probabilities in 28 x 28 cells of its box.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

FOREGROUND = 0.5
"""From this probability on a pixel belongs to what was detected."""

Box = tuple[float, float, float, float]


def paste_mask(
    probabilities: npt.NDArray[np.floating[Any]], box: Box, size: tuple[int, int]
) -> npt.NDArray[np.bool_]:
    """A detection's mask over the whole picture.

    The probabilities are sampled bilinearly at the centre of every pixel, cells having their
    centres at halves; what is outside of the box's cells counts as 0.

    Args:
        probabilities: [S,S], of the box's cells.
        box: x1, y1, x2, y2 in pixels of the picture; it may reach beyond.
        size: (height, width) of the picture.

    Returns:
        [*size].
    """
    mask = np.zeros(size, np.bool_)
    rows, columns = _touched(box[1], box[3], size[0]), _touched(box[0], box[2], size[1])
    down = _sampling(rows, box[1], box[3], probabilities.shape[0])
    across = _sampling(columns, box[0], box[2], probabilities.shape[1])
    mask[rows, columns] = down @ probabilities.astype(np.float64) @ across.T >= FOREGROUND
    return mask


def _touched(low: float, high: float, length: int) -> slice:
    """The pixels of an axis that a box can colour."""
    start = min(max(0, math.floor(low) - 1), length)
    return slice(start, max(start, min(length, math.ceil(high) + 1)))


def _sampling(pixels: slice, low: float, high: float, cells: int) -> npt.NDArray[np.float64]:
    """[pixels, cells]: what the pixel centres of an axis take of the box's cells."""
    centres = np.arange(pixels.start, pixels.stop) + 0.5
    with np.errstate(divide="ignore", invalid="ignore"):
        place = (centres - low) / (high - low) * cells - 0.5
    # Of a box without an extent the reference takes the middle.
    place[np.isinf(place)] = cells / 2 - 0.5
    return np.asarray(np.maximum(0, 1 - np.abs(place[:, None] - np.arange(cells))))


def run_lengths(mask: npt.NDArray[np.bool_]) -> list[int]:
    """How many pixels in a row are background, foreground, background, ..., column by column."""
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths = np.diff(np.concatenate([[0], changes, [flat.size]])).tolist()
    return [0, *lengths] if flat.size and flat[0] else lengths


def coco_rle(mask: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """A mask as COCO's tools take it: `size` [h,w], and its run lengths as text in `counts`."""
    lengths = run_lengths(mask)
    earlier = [0, 0, 0, *lengths[1:]]
    steps = (length - before for length, before in zip(lengths, earlier, strict=False))
    return {"size": list(mask.shape), "counts": "".join(_digits(step) for step in steps)}


def _digits(number: int) -> str:
    """Five bits a character, the lowest first; a sixth says that more follow."""
    text = ""
    while True:
        low, number = number & 0x1F, number >> 5
        done = number == (-1 if low & 0x10 else 0)
        text += chr((low if done else low | 0x20) + 48)
        if done:
            return text
