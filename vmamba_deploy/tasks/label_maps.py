"""From what a segmentation network gives to the classes of the original picture's pixels.

A picture is resized, and perhaps padded, before the network sees it. The published evaluation takes
the head's logits [C,h,w], and resizes them bilinearly twice: to the input's size, and what is
picture there to the picture's own size; then the largest wins, and a single one where it is above
0. Resizing is linear, so both steps are one matrix for the rows and one for the columns. A label
map of the input's size alone can only be resized by its nearest pixels: other labels at borders.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Size = tuple[int, int]
Labels = npt.NDArray[np.int32]

_BLOCK_VALUES = 4 << 20
_BLOCK_COLUMNS = 128


def labels_from_logits(
    logits: npt.NDArray[np.floating[Any]], *, padded: Size, resized: Size, original: Size
) -> Labels:
    """The classes of a picture, as the published evaluation finds them.

    Args:
        logits: [C,h,w] of the whole input.
        padded: (height, width) of the input.
        resized: of the picture within it, at its top and left.
        original: of the picture itself.

    Returns:
        [*original]; ties go to the lower class, and those of a single logit to class 0.
    """
    rows = _resizing(logits.shape[1], padded[0], resized[0], original[0])
    columns = _resizing(logits.shape[2], padded[1], resized[1], original[1])
    last = np.ascontiguousarray(logits.transpose(1, 2, 0), np.float32)  # classes behind
    labels = np.empty(original, np.int32)
    height = max(1, _BLOCK_VALUES // (logits.shape[0] * max(_BLOCK_COLUMNS, logits.shape[2])))
    for top, row_taps, above in _blocks(rows, height):
        part = last[above]
        band = np.tensordot(row_taps, part, axes=1)
        for left, column_taps, beside in _blocks(columns, _BLOCK_COLUMNS):
            scores = np.matmul(column_taps, band[:, beside])
            block = labels[top : top + len(row_taps), left : left + len(column_taps)]
            block[...] = _classes(scores)
    return labels


def labels_from_map(
    labels: npt.NDArray[np.integer[Any]], *, resized: Size, original: Size
) -> Labels:
    """The classes of a picture from those of the input's pixels, each by its nearest.

    Args:
        labels: [H,W] of the whole input.
        resized: (height, width) of the picture within it, at its top and left.
        original: of the picture itself.

    Returns:
        [*original].
    """
    rows, columns = (
        (2 * np.arange(length, dtype=np.int64) + 1) * source // (2 * length)
        for source, length in zip(resized, original, strict=True)
    )
    return np.asarray(labels[rows[:, None], columns], np.int32)


def resize_logits(logits: npt.NDArray[np.floating[Any]], size: Size) -> npt.NDArray[np.float32]:
    """[C,h,w] to [C,*size], bilinearly, without antialiasing."""
    rows, columns = (
        bilinear(source, length).astype(np.float32)
        for source, length in zip(logits.shape[1:], size, strict=True)
    )
    return np.asarray(rows @ logits.astype(np.float32) @ columns.T)


def _classes(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.integer[Any]]:
    """The class of each pixel from its logits [..., C]; a single one says no or yes."""
    if scores.shape[-1] == 1:
        return (scores[..., 0] > 0).astype(np.int32)
    return np.asarray(scores.argmax(axis=-1))


def _resizing(logits: int, padded: int, resized: int, original: int) -> npt.NDArray[np.float32]:
    """[original, logits]: both steps of an axis; what is padding is left out in between."""
    to_input = bilinear(logits, padded)[:resized]
    return np.asarray(bilinear(resized, original) @ to_input, np.float32)


def bilinear(source: int, length: int) -> npt.NDArray[np.float64]:
    """[length, source]: what each pixel of a resized axis takes of the others.

    Pixels have their centres at halves (align_corners false); outside of the outermost centres the
    outermost pixel counts alone.
    """
    place = np.maximum((np.arange(length) + 0.5) * (source / length) - 0.5, 0)
    first = np.minimum(place.astype(np.intp), source - 1)
    second = np.minimum(first + 1, source - 1)
    share = place - first
    matrix = np.zeros((length, source))
    every = np.arange(length)
    matrix[every, first] = 1 - share
    matrix[every, second] += share
    return matrix


def _blocks(
    matrix: npt.NDArray[np.float32], rows: int
) -> Iterator[tuple[int, npt.NDArray[np.float32], slice]]:
    """Some rows of a banded matrix at a time: their number, what is not 0 in them, and where."""
    for start in range(0, len(matrix), rows):
        part = matrix[start : start + rows]
        used = np.flatnonzero(part.any(axis=0))
        within = slice(int(used[0]), int(used[-1]) + 1)
        yield start, np.ascontiguousarray(part[:, within]), within
