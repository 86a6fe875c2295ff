"""Images for tests of what is refused."""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image


def solid_png(width: int, height: int) -> bytes:
    """A PNG file of one colour."""
    return encoded("PNG", width, height)


def encoded(format_name: str, width: int, height: int) -> bytes:
    """An image file of one colour, in a format of Pillow's."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (90, 120, 30)).save(buffer, format_name)
    return buffer.getvalue()


def png_header_only(width: int, height: int) -> bytes:
    """A PNG file that promises pixels and ends after its header: decoding it would fail."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", b"") + _chunk(b"IEND")


def _chunk(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
