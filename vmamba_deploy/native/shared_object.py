"""What the dynamic loader must not be asked to load.

It maps a library that was cut short and dies of it (SIGBUS), and of one for another machine it says
that there is no such file. Layout: the System V ABI, chapters 4 and 5.
"""

from __future__ import annotations

import os
import platform
import struct
from io import BufferedReader
from pathlib import Path

from vmamba_deploy.errors import EnvironmentProblem
from vmamba_deploy.files import open_file, shown

ELF_MACHINES = {"x86_64": 62, "aarch64": 183}
"""Numbers of machines in a header, by what `platform.machine` calls them."""

_HEADER = struct.Struct("<16sHHIQQQIHHHHH")
_SEGMENT = struct.Struct("<IIQQQQ")
_IDENTITY = b"\x7fELF\x02\x01"  # 64-bit, little-endian
_SHARED_OBJECT, _LOADED = 3, 1
_HINT = "make native"


def check_loadable(path: Path) -> None:
    """Look at a shared library's header and length before it is loaded; nothing of it runs.

    Raises:
        EnvironmentProblem: no file, no 64-bit shared library, one for another machine, or one that
            was cut short.
    """
    with open_file(path, what="a shared library", error=EnvironmentProblem) as file:
        header = file.read(_HEADER.size)
        reason = _reason(header) or _shortage(file, header)
    if reason is not None:
        raise EnvironmentProblem(f"{shown(path)} cannot be loaded: it {reason}", hint=_HINT)


def machine_of(header: bytes) -> str:
    """What an ELF file is made for, as `platform.machine` calls it, else by its number."""
    if len(header) < _HEADER.size or not header.startswith(_IDENTITY):
        return "not of 64 bits, little-endian"
    _, _, machine, *_ = _HEADER.unpack(header[: _HEADER.size])
    names = {number: name for name, number in ELF_MACHINES.items()}
    return names.get(machine, f"the machine of ELF number {machine}")


def _reason(header: bytes) -> str | None:
    """Why no library with this header can be loaded here; None where it can."""
    if len(header) < _HEADER.size or not header.startswith(_IDENTITY):
        return "is not a shared library of 64 bits"
    _, kind, machine, *_ = _HEADER.unpack(header)
    if kind != _SHARED_OBJECT:
        return "is not a shared library"
    here = platform.machine()
    if machine == ELF_MACHINES.get(here, machine):
        return None
    return f"is made for {machine_of(header)}, this machine is {here}"


def _shortage(file: BufferedReader, header: bytes) -> str | None:
    """What the file lacks of the bytes that its own tables tell of; None where it has them."""
    *_, segments_at, sections_at, _, _, segment_bytes, segments, section_bytes, sections = (
        _HEADER.unpack(header)
    )
    size = file.seek(0, os.SEEK_END)
    file.seek(min(segments_at, size))  # which may be any number of 64 bits
    table = file.read(segments * segment_bytes)
    ends = [segments_at + segments * segment_bytes, sections_at + sections * section_bytes]
    for start in range(0, len(table) - _SEGMENT.size + 1, max(segment_bytes, _SEGMENT.size)):
        kind, _, offset, _, _, length = _SEGMENT.unpack_from(table, start)
        if kind == _LOADED:
            ends.append(offset + length)
    return f"was cut short: {size:,} of {max(ends):,} bytes" if max(ends) > size else None
