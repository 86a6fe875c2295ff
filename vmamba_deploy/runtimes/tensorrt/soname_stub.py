"""A shared object of a few hundred bytes that gives a loaded library a second name.

The ONNX parser of the TensorRT-RTX wheel asks the dynamic loader for `libtensorrt_rtx.so` as soon
as it meets a plugin node, and aborts the process when there is none; the wheel holds only
`libtensorrt_rtx.so.1`. An object that is already loaded under the SONAME `libtensorrt_rtx.so` and
needs `libtensorrt_rtx.so.1` answers that request: a look-up in it goes on into what it needs. The
object is written here byte by byte, so neither a compiler nor an environment variable nor a file
that outlives the call is needed. Layout: the System V ABI, chapters 4 and 5.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import tempfile
from pathlib import Path

from vmamba_deploy.errors import EnvironmentProblem
from vmamba_deploy.native.shared_object import ELF_MACHINES

_HEADER_BYTES, _SEGMENT_BYTES, _SYMBOL_BYTES = 64, 56, 24
_PT_LOAD, _PT_DYNAMIC, _PT_GNU_STACK = 1, 2, 0x6474E551
_READ, _READ_WRITE = 4, 6
_PAGE = 0x10000
_DT_NULL, _DT_NEEDED, _DT_HASH, _DT_STRTAB, _DT_SYMTAB = 0, 1, 4, 5, 6
_DT_STRSZ, _DT_SYMENT, _DT_SONAME = 10, 11, 14


def soname_stub(soname: str, needed: str, *, machine: str | None = None) -> bytes:
    """The bytes of a 64-bit little-endian ELF object without code.

    Args:
        soname: the name under which the loader will know the object.
        needed: SONAME of the library that it stands for.
        machine: `x86_64` or `aarch64`; None for this machine's.

    Raises:
        EnvironmentProblem: another machine.
    """
    machine = machine or platform.machine()
    if machine not in ELF_MACHINES:
        raise EnvironmentProblem(
            f"TensorRT-RTX plugins need a 64-bit x86 or ARM machine, this one is {machine}"
        )
    strings = b"\0" + soname.encode() + b"\0" + needed.encode() + b"\0"
    strings += b"\0" * (-len(strings) % 8)
    segments = 3
    strings_at = _HEADER_BYTES + segments * _SEGMENT_BYTES
    symbols_at = strings_at + len(strings)
    hash_at = symbols_at + _SYMBOL_BYTES
    hash_table = struct.pack("<4I", 1, 1, 0, 0)  # one bucket, one (empty) chain
    dynamic_at = hash_at + len(hash_table)
    dynamic = b"".join(
        struct.pack("<qQ", tag, value)
        for tag, value in (
            (_DT_SONAME, 1),
            (_DT_NEEDED, 1 + len(soname.encode()) + 1),
            (_DT_HASH, hash_at),
            (_DT_STRTAB, strings_at),
            (_DT_SYMTAB, symbols_at),
            (_DT_STRSZ, len(strings)),
            (_DT_SYMENT, _SYMBOL_BYTES),
            (_DT_NULL, 0),
        )
    )
    total = dynamic_at + len(dynamic)
    # The loader relocates the dynamic section in place, so the one segment is writable.
    table = _segment(_PT_LOAD, _READ_WRITE, 0, total, _PAGE)
    table += _segment(_PT_DYNAMIC, _READ_WRITE, dynamic_at, len(dynamic), 8)
    # Without this entry the loader would ask for an executable stack.
    table += _segment(_PT_GNU_STACK, _READ_WRITE, 0, 0, 16)
    body = strings + b"\0" * _SYMBOL_BYTES + hash_table + dynamic
    return _header(ELF_MACHINES[machine], segments) + table + body


def load_soname_stub(soname: str, needed: str) -> ctypes.CDLL:
    """Load a stub into this process, for as long as it lives; `needed` must be loaded already.

    Raises:
        EnvironmentProblem: the loader refuses it.
    """
    content = soname_stub(soname, needed)
    try:
        return _load_from_memory(soname, content)
    except OSError:
        # memfd_create may be forbidden, or memory mappings of it not executable.
        return _load_from_file(soname, content)


def _load_from_memory(name: str, content: bytes) -> ctypes.CDLL:
    descriptor = os.memfd_create(name)
    try:
        os.write(descriptor, content)
        return ctypes.CDLL(f"/proc/self/fd/{descriptor}", mode=ctypes.RTLD_GLOBAL)
    finally:
        os.close(descriptor)


def _load_from_file(name: str, content: bytes) -> ctypes.CDLL:
    with tempfile.TemporaryDirectory(prefix="vmamba-") as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        try:
            return ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
        except OSError as error:
            raise EnvironmentProblem(
                f"the dynamic loader refuses the stand-in for {name}: {error}",
                hint="put a symbolic link of that name on LD_LIBRARY_PATH before the start",
            ) from error


def _header(machine: int, segments: int) -> bytes:
    identity = b"\x7fELF" + bytes([2, 1, 1, 0]) + b"\0" * 8  # 64-bit, little-endian, version 1
    shared_object = 3
    return identity + struct.pack(
        "<HHIQQQIHHHHHH",
        *(shared_object, machine, 1, 0, _HEADER_BYTES, 0, 0),
        *(_HEADER_BYTES, _SEGMENT_BYTES, segments, 64, 0, 0),
    )


def _segment(kind: int, flags: int, offset: int, size: int, align: int) -> bytes:
    return struct.pack("<IIQQQQQQ", kind, flags, offset, offset, offset, size, size, align)
