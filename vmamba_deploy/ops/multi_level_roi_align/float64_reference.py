"""An independent float64 reference of the op, in NumPy.

It shares no code with any implementation under test: pooling is A_y F A_x^T with one matrix a
direction and box. The level of a box and the positions of the samples are the float32 numbers that
the specification defines, as another rounding would be another sample; all else is float64.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from vmamba_deploy.ops.multi_level_roi_align.constants import (
    CANONICAL_SIZE,
    LEVEL_EPSILON,
    MAX_SIDE,
    STRIDES,
)

Array = npt.NDArray[np.float64]
_Single = np.float32


def level_of(box: npt.NDArray[np.float32]) -> int | None:
    """The index in `STRIDES` of the level that serves a box (x1, y1, x2, y2).

    None: the box is empty or beyond every size, so that its features are zeros.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        width, height = box[2] - box[0], box[3] - box[1]
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        return None
    scale = np.sqrt(width * height) / _Single(CANONICAL_SIZE) + _Single(LEVEL_EPSILON)
    return min(max(math.floor(math.log2(scale)), 0), len(STRIDES) - 1)


def sample_positions(
    low: np.float32, high: np.float32, stride: int, bins: int
) -> npt.NDArray[np.float32]:
    """Where the samples of each bin lie on the map's axis: [bins, samples of a bin].

    Args:
        low: where the box begins, in pixels of the network's input.
        high: where it ends.
        stride: of the map.
        bins: in this direction.
    """
    start = low / _Single(stride) - _Single(0.5)
    extent = high / _Single(stride) - _Single(0.5) - start
    bin_size = extent / _Single(bins)
    samples = math.ceil(bin_size)
    bin_starts = start + np.arange(bins, dtype=_Single) * bin_size
    halves = np.arange(samples, dtype=_Single) + _Single(0.5)
    return bin_starts[:, None] + halves * bin_size / _Single(max(samples, 1))


def interpolation_matrix(positions: npt.NDArray[np.float32], size: int) -> Array:
    """The mean of bilinear samples at `positions` [bins, samples] as a matrix [bins, size]."""
    matrix = np.zeros((len(positions), size))
    for row, samples in zip(matrix, positions.astype(np.float64), strict=True):
        for position in samples:
            if not -1 <= position <= size:
                continue
            inside = min(max(position, 0.0), size - 1.0)
            lower = math.floor(inside)
            row[lower] += (1 - (inside - lower)) / len(samples)
            row[min(lower + 1, size - 1)] += (inside - lower) / len(samples)
    return matrix


def multi_level_roi_align_float64(
    p2: npt.ArrayLike,
    p3: npt.ArrayLike,
    p4: npt.ArrayLike,
    p5: npt.ArrayLike,
    boxes: npt.ArrayLike,
    output_size: int,
) -> Array:
    """y [B,K,C,S,S] in float64: maps [B,C,Hi,Wi] of any float dtype, boxes [B,K,4] in float32."""
    maps = [np.asarray(each).astype(np.float64) for each in (p2, p3, p4, p5)]
    all_boxes = np.asarray(boxes, dtype=_Single)
    batch, count = all_boxes.shape[:2]
    y = np.zeros((batch, count, maps[0].shape[1], output_size, output_size))
    for image, box_number in np.ndindex(batch, count):
        box = all_boxes[image, box_number]
        level = level_of(box)
        if level is None:
            continue
        x1, y1, x2, y2 = box
        features, stride = maps[level][image], STRIDES[level]
        down = interpolation_matrix(
            sample_positions(y1, y2, stride, output_size), features.shape[1]
        )
        across = interpolation_matrix(
            sample_positions(x1, x2, stride, output_size), features.shape[2]
        )
        y[image, box_number] = down @ features @ across.T
    return y
