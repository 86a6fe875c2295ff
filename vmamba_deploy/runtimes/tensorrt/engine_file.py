"""What an engine file says about itself, without a GPU and without TensorRT.

TensorRT-RTX cannot load an engine, nor judge its header, on a machine with no driver. The header's
fields were found by comparing engines built for different targets by TensorRT-RTX 1.7.1.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from vmamba_deploy.errors import InputFileError

# magic, zero, format, bytes of the file, version (four bytes), magic, bits of the targets
_HEADER = struct.Struct("<4sIQQ4B4sI")
_RTX_MAGIC, _TENSORRT_MAGIC = b"vtrt", b"ftrt"
_TARGET_BITS = {0x01: "7.5", 0x02: "8.0", 0x04: "8.6", 0x08: "8.9", 0x10: "12.0", 0x20: "12.1"}
_NEWER_BIT = 0x40


@dataclass(frozen=True)
class EngineInfo:
    """Read from the header of an engine file.

    Attributes:
        flavour: `tensorrt` or `tensorrt_rtx`.
        version: of the TensorRT that built it, as 1.7.1.116; '' where the header is not known.
        compute_capabilities: those it was built for; empty where the header is not known.
        runs_on_newer: whether newer GPUs than those may run it.
        size_bytes: of the file.
    """

    flavour: str
    version: str
    compute_capabilities: tuple[str, ...]
    runs_on_newer: bool
    size_bytes: int


def engine_info(path: Path) -> EngineInfo:
    """Read the header of an engine file.

    Raises:
        InputFileError: not an engine, or a truncated one.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(_HEADER.size)
    except OSError as error:
        raise InputFileError(f"cannot read the engine {path}: {error.strerror}") from error
    magic = head[:4]
    if magic == _TENSORRT_MAGIC:
        return EngineInfo("tensorrt", "", (), runs_on_newer=False, size_bytes=size)
    if magic != _RTX_MAGIC or len(head) < _HEADER.size:
        raise InputFileError(f"{path} is not a TensorRT engine: it does not begin like one")
    _, _, _, declared, *rest = _HEADER.unpack(head)
    if declared != size:
        raise InputFileError(
            f"{path} is truncated or has been changed: its header says {declared} bytes, "
            f"the file has {size}",
            hint="build the engine again, or copy it again",
        )
    targets = rest[5]
    return EngineInfo(
        flavour="tensorrt_rtx",
        version=".".join(str(number) for number in rest[:4]),
        compute_capabilities=tuple(name for bit, name in _TARGET_BITS.items() if targets & bit),
        runs_on_newer=bool(targets & _NEWER_BIT),
        size_bytes=size,
    )
