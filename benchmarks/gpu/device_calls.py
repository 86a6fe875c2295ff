"""The op on the GPU without PyTorch, for tools that slow a process down many times.

    compute-sanitizer --tool memcheck python3 -m benchmarks.gpu.device_calls sanitizer

Each buffer is an allocation of its exact size, so that a byte beside it is nobody's. Exit code 0
means that every call ran and gave finite numbers.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.c_interface import ScanArgs, SelectiveScanDesc, load_native
from benchmarks.op_shapes import OP_SHAPES
from vmamba_deploy.errors import EnvironmentProblem
from vmamba_deploy.ops.op import FLOAT16, FLOAT32
from vmamba_deploy.ops.selective_scan.specification import ScanDims
from vmamba_deploy.testing import numpy_dtype, random_parameters

# Large arrays repeat so many random numbers: making hundreds of millions takes longer than a stage.
_DRAWN = 1_000_003
# Small, for a sanitizer multiplies the time; each takes another way through the kernels.
_SANITIZED = (
    ScanDims(1, 1, 1, 5, 1, 1),
    ScanDims(2, 9, 7, 33, 1, 3),
    ScanDims(1, 14, 14, 96, 1, 6),
    ScanDims(1, 40, 24, 16, 1, 6),
    ScanDims(140, 7, 7, 16, 1, 2),
    ScanDims(2, 8, 9, 24, 5, 4),
    ScanDims(1, 14, 14, 32, 16, 6),
    ScanDims(1, 5, 6, 16, 33, 2),
    ScanDims(2, 1, 49, 33, 8, 4, routes=(0,)),
    ScanDims(1, 1, 197, 40, 16, 3, routes=(0, 2), x_per_route=True),
    ScanDims(1, 1, 61, 35, 20, 1, routes=(0, 2), step_per_channel=True),
    ScanDims(2, 6, 9, 21, 1, 2, x_per_route=True),
)
_LISTS = {
    "sanitizer": [(dims, code) for dims in _SANITIZED for code in (FLOAT32, FLOAT16)],
    # The first and the last stage of a network of one state, a judged shape of sixteen, and the
    # first stage for a single image.
    "profiled": [
        (OP_SHAPES[shape].dims(batch), FLOAT16)
        for shape, batch in ((0, 128), (3, 128), (6, 128), (0, 1))
    ],
}


class Device:
    """CUDA's device 0, its primary context (the one TensorRT uses) and a stream, by the driver.

    Raises:
        EnvironmentProblem: there is no driver or no device, or it refuses a call.
    """

    def __init__(self) -> None:
        try:
            self._driver = ctypes.CDLL("libcuda.so.1")
        except OSError as error:
            raise EnvironmentProblem(f"no NVIDIA driver here: {error}") from error
        device, context, self.stream = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_void_p()
        self._call("cuInit", 0)
        self._call("cuDeviceGet", ctypes.byref(device), 0)
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self._call("cuCtxSetCurrent", context)
        self._call("cuStreamCreate", ctypes.byref(self.stream), 1)  # non-blocking

    def upload(self, array: np.ndarray) -> ctypes.c_uint64:
        """The address of a new buffer with a contiguous array, in the stream's order."""
        pointer, size = ctypes.c_uint64(), ctypes.c_size_t(array.nbytes)
        self._call("cuMemAlloc_v2", ctypes.byref(pointer), ctypes.c_size_t(max(array.nbytes, 1)))
        if array.nbytes:
            data = ctypes.c_void_p(array.ctypes.data)
            self._call("cuMemcpyHtoDAsync_v2", pointer, data, size, self.stream)
        return pointer

    def download(self, array: np.ndarray, pointer: ctypes.c_uint64) -> None:
        """Fill a contiguous array from the device and wait for the stream."""
        data, size = ctypes.c_void_p(array.ctypes.data), ctypes.c_size_t(array.nbytes)
        self._call("cuMemcpyDtoHAsync_v2", data, pointer, size, self.stream)
        self._call("cuStreamSynchronize", self.stream)

    def free(self, pointer: ctypes.c_uint64) -> None:
        """Give a buffer back."""
        self._call("cuMemFree_v2", pointer)

    def _call(self, function: str, *args: Any) -> None:
        code = getattr(self._driver, function)(*args)
        if code:
            text = ctypes.c_char_p()
            self._driver.cuGetErrorString(code, ctypes.byref(text))
            reason = (text.value or b"unknown error").decode()
            raise EnvironmentProblem(f"CUDA: {function} failed: {reason}")


def run_call(device: Device, dims: ScanDims, code: int) -> np.ndarray:
    """y of one call on random inputs, over memory that held nothing but NaN."""
    library = load_native("vmamba_cuda")
    random = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        drawn = random.standard_normal(min(math.prod(shape), _DRAWN), dtype=np.float32)
        return np.resize(drawn, shape)

    arrays = [
        normal(*dims.maps, dims.channels).astype(numpy_dtype(code)),
        normal(*dims.maps, dims.proj_features).astype(numpy_dtype(code)),
        *random_parameters(dims, random),
    ]
    y = np.full((*dims.maps[-3:], dims.channels), np.nan, numpy_dtype(code))
    desc = SelectiveScanDesc.of(dims, code, code)
    needed = ctypes.c_size_t()
    library.check(library.function("vmamba_selective_scan_cuda_workspace")(desc, needed))
    poison = np.full(needed.value, 0xFF, np.uint8)
    buffers = [device.upload(array) for array in (*arrays, y, poison)]
    args = ScanArgs(*(buffer.value for buffer in buffers[:-1]))
    launch = library.function("vmamba_selective_scan_cuda")
    library.check(launch(desc, args, buffers[-1].value, needed, device.stream))
    device.download(y, buffers[-2])
    for buffer in buffers:
        device.free(buffer)
    return y


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a list of calls."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("list", choices=sorted(_LISTS))
    parser.add_argument("--more", type=Path, help="JSON list of sizes: further calls, in float16")
    options = parser.parse_args(arguments)
    calls = _LISTS[options.list]
    if options.more:
        more = json.loads(options.more.read_text())
        dims_of_more = (ScanDims(**each | {"routes": tuple(each["routes"])}) for each in more)
        calls = [*calls, *((dims, FLOAT16) for dims in dims_of_more)]
    device = Device()
    for dims, code in calls:
        if not np.isfinite(run_call(device, dims, code).astype(np.float32)).all():
            sys.stderr.write(f"{dims}: the result is not finite\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
