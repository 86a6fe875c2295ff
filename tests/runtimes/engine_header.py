"""What the header of an engine says; found by comparing engines of TensorRT-RTX 1.7.1."""

import struct
from pathlib import Path

_HEADER = struct.Struct("<4sIQQ4B4sI")  # magic, .., .., bytes of the file, version, magic, targets
TARGET_BITS = {80: 0x02, 86: 0x04, 89: 0x08, 120: 0x10, 121: 0x20}
_ALL_TARGETS = 0x3F


def version_of(engine: Path) -> str:
    """Of the TensorRT-RTX that built it, such as 1.7.1.116."""
    magic, *_, first, second, third, fourth, _, _ = _read(engine)
    assert magic == b"vtrt"
    return f"{first}.{second}.{third}.{fourth}"


def targets_of(engine: Path) -> int:
    """Its bits of `TARGET_BITS`."""
    return _read(engine)[-1] & _ALL_TARGETS


def _read(engine: Path) -> tuple:
    return _HEADER.unpack_from(engine.read_bytes())
