"""OpenCV's bilinear resize of bytes, to the bit: two taps an axis, whatever the scale.

Nothing is averaged where the image shrinks, unlike with Pillow's filters: networks for segmentation
and detection are trained and measured with pictures that are resized so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

ByteArray = npt.NDArray[np.uint8]

_ONE = np.float32(2048)
"""Weights are whole numbers of so many parts."""

_ROWS_AT_ONCE = 16  # so that what is in between stays in the cache


@dataclass(frozen=True)
class _Taps:
    """Per place of the target: two places of the source, and how many parts each counts."""

    first: npt.NDArray[np.intp]
    second: npt.NDArray[np.intp]
    of_first: npt.NDArray[np.int32]
    of_second: npt.NDArray[np.int32]


def resize_bands(
    bands: Iterable[tuple[int, ByteArray]], source: tuple[int, int], target: tuple[int, int]
) -> ByteArray:
    """Resize an image that comes some rows at a time.

    Args:
        bands: uint8 [rows,w,C], each with the number of its first row, from the top.
        source: (height, width) of the whole image.
        target: (height, width) that it is resized to.

    Returns:
        uint8 [*target,C].
    """
    rows, columns = _taps(source[0], target[0]), _taps(source[1], target[1])
    needed = np.unique([rows.first, rows.second])  # of a shrunk image many rows are not
    narrow = [
        _blend_columns(band[needed[(top <= needed) & (needed < top + len(band))] - top], columns)
        for top, band in bands
    ]
    return _blend_rows(np.concatenate(narrow), needed, rows)


def _taps(length: int, resized: int) -> _Taps:
    """Where the pixels of a resized axis lie between those of the source.

    Outside of the outermost centres a pixel is blended with itself.
    """
    place = ((np.arange(resized) + 0.5) * (length / resized) - 0.5).astype(np.float32)
    below = np.floor(place)
    share = place - below
    first = below.astype(np.intp)
    return _Taps(
        first=np.clip(first, 0, length - 1),
        second=np.clip(first + 1, 0, length - 1),
        of_first=np.rint((1 - share) * _ONE).astype(np.int32),
        of_second=np.rint(share * _ONE).astype(np.int32),
    )


def _blend_columns(rows: ByteArray, taps: _Taps) -> npt.NDArray[np.int16]:
    """[r,w,C] to [r,width,C], in units of 1/128."""
    blended = np.empty((len(rows), len(taps.first), rows.shape[2]), np.int16)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = rows[start : start + _ROWS_AT_ONCE]
        exact = part.take(taps.first, axis=1) * taps.of_first[:, None]
        exact += part.take(taps.second, axis=1) * taps.of_second[:, None]
        blended[start : start + _ROWS_AT_ONCE] = exact >> 4
    return blended


def _blend_rows(
    narrow: npt.NDArray[np.int16], numbers: npt.NDArray[np.intp], taps: _Taps
) -> ByteArray:
    """[r,width,C] of the source's rows of these numbers to uint8 [height,width,C]."""
    first, second = np.searchsorted(numbers, taps.first), np.searchsorted(numbers, taps.second)
    blended = np.empty((len(first), *narrow.shape[1:]), np.uint8)
    for start in range(0, len(first), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        above = narrow[first[part]] * taps.of_first[part, None, None] >> 16
        below = narrow[second[part]] * taps.of_second[part, None, None] >> 16
        blended[part] = (above + below + 2) >> 2
    return blended
