"""PNG files of every colour type and depth, also those that Pillow does not write."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Chunk = tuple[bytes, bytes]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# First column and row, and steps, of Adam7's passes.
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2))
_PASSES += ((0, 1, 1, 2),)


def chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk with its length and checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def header(width: int, height: int, depth: int, colour_type: int, *, interlaced: bool) -> bytes:
    """The chunk IHDR."""
    return chunk(
        b"IHDR",
        struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, int(interlaced)),
    )


def write_png(
    pixels: npt.NDArray[np.integer],
    colour_type: int,
    depth: int,
    *,
    palette: bytes = b"",
    interlaced: bool = False,
    chunks: Sequence[Chunk] = (),
    chunks_behind: Sequence[Chunk] = (),
) -> bytes:
    """Encode [height, width, channels] samples of `depth` bits.

    Args:
        pixels: samples in 0..2**depth - 1; palette indices for colour type 3.
        palette: of RGB triples.
        chunks: kinds and contents, before the pixels.
        chunks_behind: the same, behind the pixels.
    """
    height, width = pixels.shape[:2]
    rows = [_rows(part, depth) for part in _parts(pixels, interlaced=interlaced)]
    parts = [SIGNATURE, header(width, height, depth, colour_type, interlaced=interlaced)]
    if palette:
        parts.append(chunk(b"PLTE", palette))
    parts += [chunk(*each) for each in chunks]
    parts.append(chunk(b"IDAT", zlib.compress(b"".join(rows), 9)))
    parts += [chunk(*each) for each in chunks_behind]
    return b"".join(parts) + chunk(b"IEND", b"")


def _parts(pixels: npt.NDArray[np.integer], *, interlaced: bool) -> list[npt.NDArray[np.integer]]:
    if not interlaced:
        return [pixels]
    parts = [pixels[y::down, x::right] for x, y, right, down in _PASSES]
    return [part for part in parts if part.size]


def _rows(pixels: npt.NDArray[np.integer], depth: int) -> bytes:
    """Each row packed, behind the byte 0: no filter."""
    flat = pixels.reshape(pixels.shape[0], -1)
    if depth == 16:
        packed = flat.astype(">u2").view(np.uint8)
    elif depth == 8:
        packed = flat.astype(np.uint8)
    else:
        shifts = np.arange(depth - 1, -1, -1)
        bits = (flat[:, :, None] >> shifts) & 1
        packed = np.packbits(bits.reshape(flat.shape[0], -1).astype(np.uint8), axis=1)
    return b"".join(b"\x00" + row.tobytes() for row in packed)
