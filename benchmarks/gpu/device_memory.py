"""Device buffers and a stream through the CUDA driver's own interface, without torch."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

from vmamba_deploy.errors import EnvironmentProblem, ResourceError, VmambaError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_OUT_OF_MEMORY = 2  # CUDA_ERROR_OUT_OF_MEMORY


class Device:
    """CUDA's device 0, its primary context (the one TensorRT uses) and one stream.

    Raises:
        EnvironmentProblem: there is no driver or no device.
    """

    def __init__(self) -> None:
        try:
            self._driver = ctypes.CDLL("libcuda.so.1")
        except OSError as error:
            raise EnvironmentProblem(f"no NVIDIA driver here: {error}") from error
        self._device = ctypes.c_int()
        self._context = ctypes.c_void_p()
        self._stream = ctypes.c_void_p()
        self._call("cuInit", 0)
        self._call("cuDeviceGet", ctypes.byref(self._device), 0)
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(self._context), self._device)
        self.make_current()
        self._call("cuStreamCreate", ctypes.byref(self._stream), 1)  # non-blocking

    @property
    def stream(self) -> int:
        """The stream's handle."""
        return self._stream.value or 0

    def make_current(self) -> None:
        """Bind the context to the calling thread."""
        self._call("cuCtxSetCurrent", self._context)

    def allocate(self, size_bytes: int) -> Buffer:
        """A buffer of at least one byte.

        Raises:
            ResourceError: the device is full.
        """
        pointer = ctypes.c_uint64()
        self._call("cuMemAlloc_v2", ctypes.byref(pointer), ctypes.c_size_t(max(size_bytes, 1)))
        return Buffer(pointer.value, max(size_bytes, 1))

    def free(self, buffer: Buffer) -> None:
        """Give a buffer back."""
        self._call("cuMemFree_v2", ctypes.c_uint64(buffer.pointer))

    def upload(self, buffer: Buffer, array: npt.NDArray[np.generic]) -> None:
        """Copy a contiguous array to the device, in the stream's order."""
        self._call(
            "cuMemcpyHtoDAsync_v2",
            ctypes.c_uint64(buffer.pointer),
            ctypes.c_void_p(array.ctypes.data),
            ctypes.c_size_t(array.nbytes),
            self._stream,
        )

    def download(self, array: npt.NDArray[np.generic], buffer: Buffer) -> None:
        """Fill a contiguous array from the device and wait for the stream."""
        self._call(
            "cuMemcpyDtoHAsync_v2",
            ctypes.c_void_p(array.ctypes.data),
            ctypes.c_uint64(buffer.pointer),
            ctypes.c_size_t(array.nbytes),
            self._stream,
        )
        self._call("cuStreamSynchronize", self._stream)

    def close(self) -> None:
        """Destroy the stream and release the context."""
        self._call("cuStreamDestroy_v2", self._stream)
        self._call("cuDevicePrimaryCtxRelease_v2", self._device)

    def _call(self, function: str, *args: Any) -> None:
        code = getattr(self._driver, function)(*args)
        if code == 0:
            return
        text = ctypes.c_char_p()
        self._driver.cuGetErrorString(code, ctypes.byref(text))
        reason = (text.value or b"unknown error").decode()
        kind: type[VmambaError] = ResourceError if code == _OUT_OF_MEMORY else EnvironmentProblem
        raise kind(f"CUDA: {function} failed: {reason}")


class Buffer:
    """Device memory: its address and size in bytes."""

    def __init__(self, pointer: int, size_bytes: int) -> None:
        self.pointer, self.size_bytes = pointer, size_bytes
