"""The C interface of plugins/include/vmamba for ctypes: structs and exports.

For what times or tests that interface itself; PyTorch's operator comes from libvmamba_torch.so.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from ctypes import (
    CFUNCTYPE,
    POINTER,
    c_char_p,
    c_int,
    c_int32,
    c_int64,
    c_size_t,
    c_uint32,
    c_void_p,
)
from functools import cache
from pathlib import Path
from typing import Any

from vmamba_deploy.errors import BuildError, EnvironmentProblem
from vmamba_deploy.ops.selective_scan.specification import ScanDims

ABI_VERSION = 1
OK, INVALID_ARGUMENT, UNSUPPORTED, OUT_OF_MEMORY, RUNTIME_ERROR = range(5)


class ScanDesc(ctypes.Structure):
    """`vmamba_scan_desc`."""

    _fields_ = (
        ("batch", c_int64),
        ("height", c_int64),
        ("width", c_int64),
        ("channels", c_int64),
        ("state", c_int32),
        ("rank", c_int32),
        ("in_dtype", c_int32),
        ("out_dtype", c_int32),
    )


class SelectiveScanDesc(ctypes.Structure):
    """`vmamba_selective_scan_desc`."""

    _fields_ = (
        ("batch", c_int64),
        ("height", c_int64),
        ("width", c_int64),
        ("channels", c_int64),
        ("dt_features", c_int64),
        ("state", c_int32),
        ("rank", c_int32),
        ("routes", c_int32),
        ("direction", c_int32 * 4),
        ("x_per_route", c_int32),
        ("in_dtype", c_int32),
        ("out_dtype", c_int32),
    )

    @classmethod
    def of(cls, dims: ScanDims, in_dtype: int, out_dtype: int) -> SelectiveScanDesc:
        """The description of a call."""
        return cls(
            *(dims.batch, dims.height, dims.width, dims.channels),
            *(dims.dt_features, dims.state, dims.rank, len(dims.routes)),
            (c_int32 * 4)(*dims.routes),
            *(dims.x_per_route, in_dtype, out_dtype),
        )


class ScanArgs(ctypes.Structure):
    """`vmamba_scan_args`, and with the same fields `vmamba_selective_scan_args`: addresses."""

    _fields_ = tuple(
        (name, c_void_p) for name in ("x", "proj", "dt_weight", "dt_bias", "a", "d", "y")
    )


class RoiAlignDesc(ctypes.Structure):
    """`vmamba_roi_align_desc`."""

    _fields_ = (
        ("batch", c_int64),
        ("boxes", c_int64),
        ("channels", c_int64),
        ("heights", c_int64 * 4),
        ("widths", c_int64 * 4),
        ("output_size", c_int32),
        ("in_dtype", c_int32),
        ("out_dtype", c_int32),
    )


class RoiAlignArgs(ctypes.Structure):
    """`vmamba_roi_align_args`: addresses."""

    _fields_ = (("maps", c_void_p * 4), ("boxes", c_void_p), ("y", c_void_p))


Task = CFUNCTYPE(None, c_void_p, c_int64)
ParallelFor = CFUNCTYPE(None, c_void_p, c_int64, Task, c_void_p)


class Executor(ctypes.Structure):
    """`vmamba_executor`."""

    _fields_ = (("context", c_void_p), ("threads", c_int32), ("parallel_for", ParallelFor))


_COMMON: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "vmamba_abi_version": (c_uint32, ()),
    "vmamba_last_error": (c_char_p, ()),
    "vmamba_scan_validate": (c_int, (POINTER(ScanDesc),)),
    "vmamba_selective_scan_validate": (c_int, (POINTER(SelectiveScanDesc),)),
    "vmamba_roi_align_validate": (c_int, (POINTER(RoiAlignDesc),)),
}
_COMMON_CALLS = ("vmamba_abi_version", "vmamba_last_error")  # by NativeLibrary itself
_EXPORTS: dict[str, dict[str, tuple[Any, tuple[Any, ...]]]] = {
    "vmamba_cpu": _COMMON
    | {
        "vmamba_scan_cpu": (c_int, (POINTER(ScanDesc), POINTER(ScanArgs), POINTER(Executor))),
        "vmamba_selective_scan_cpu": (
            c_int,
            (POINTER(SelectiveScanDesc), POINTER(ScanArgs), POINTER(Executor)),
        ),
        "vmamba_roi_align_cpu": (
            c_int,
            (POINTER(RoiAlignDesc), POINTER(RoiAlignArgs), POINTER(Executor)),
        ),
        "vmamba_cpu_isa": (c_char_p, ()),
    },
    "vmamba_cuda": _COMMON
    | {
        "vmamba_scan_cuda_workspace": (c_int, (POINTER(ScanDesc), POINTER(c_size_t))),
        "vmamba_scan_cuda": (
            c_int,
            (POINTER(ScanDesc), POINTER(ScanArgs), c_void_p, c_size_t, c_void_p),
        ),
        "vmamba_selective_scan_cuda_workspace": (
            c_int,
            (POINTER(SelectiveScanDesc), POINTER(c_size_t)),
        ),
        "vmamba_selective_scan_cuda": (
            c_int,
            (POINTER(SelectiveScanDesc), POINTER(ScanArgs), c_void_p, c_size_t, c_void_p),
        ),
        "vmamba_roi_align_cuda": (
            c_int,
            (POINTER(RoiAlignDesc), POINTER(RoiAlignArgs), c_void_p),
        ),
    },
}


class NativeLibrary:
    """One loaded library of ours, with its exports as typed functions.

    Args:
        path: the shared object.
        name: `vmamba_cpu` or `vmamba_cuda`, which decides the exports that must be there.
        called: those of them that will be called, where not all need be there.

    Raises:
        EnvironmentProblem: the file cannot be loaded, lacks an export or has another ABI version.
    """

    def __init__(self, path: Path, name: str, called: Sequence[str] | None = None) -> None:
        self.path = path
        self._functions: dict[str, Callable[..., Any]] = {}
        try:
            library = ctypes.CDLL(str(path))
            for export in _EXPORTS[name] if called is None else [*_COMMON_CALLS, *called]:
                result, arguments = _EXPORTS[name][export]
                function = getattr(library, export)
                function.restype, function.argtypes = result, arguments
                self._functions[export] = function
        except (OSError, AttributeError) as error:
            raise EnvironmentProblem(
                f"{path} cannot be used as {name}: {error}", hint="make native"
            ) from error
        version = self.function("vmamba_abi_version")()
        if version != ABI_VERSION:
            raise EnvironmentProblem(
                f"{path} has ABI version {version}, expected {ABI_VERSION}", hint="make native"
            )

    def function(self, export: str) -> Callable[..., Any]:
        """The export of this name."""
        return self._functions[export]

    def last_error(self) -> str:
        """Why this thread's last call failed."""
        text: bytes = self.function("vmamba_last_error")()
        return text.decode(errors="replace")

    def check(self, status: int) -> None:
        """Turn a status other than OK into an exception with the library's own words.

        Raises:
            ValueError: an argument is out of its range.
            EnvironmentProblem: the call is valid, but not on this machine.
            MemoryError: there was no memory.
            RuntimeError: the CUDA runtime reported an error.
        """
        if status == OK:
            return
        text = self.last_error()
        if status == UNSUPPORTED:
            raise EnvironmentProblem(text)
        errors = {INVALID_ARGUMENT: ValueError, OUT_OF_MEMORY: MemoryError}
        raise errors.get(status, RuntimeError)(text)


@cache
def load_native(name: str) -> NativeLibrary:
    """The library `vmamba_cpu` or `vmamba_cuda`, built on first use.

    `VMAMBA_NATIVE_DIR` names a folder of prebuilt libraries to take instead.

    Raises:
        EnvironmentProblem: it cannot be found, built or loaded.
    """
    from vmamba_deploy.native import library_path

    try:
        return NativeLibrary(library_path(name), name)
    except BuildError as error:
        raise EnvironmentProblem(
            f"lib{name}.so cannot be had: {error.message}", hint="make native"
        ) from error
