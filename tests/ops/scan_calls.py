"""The C interface of both scans, called on random cases."""

from __future__ import annotations

import ctypes
from functools import partial

import numpy as np

from benchmarks.c_interface import NativeLibrary, ScanArgs, load_native
from vmamba_deploy.testing import ScanCase, numpy_dtype, random_case

# Steps of up to more than one, where softplus bends.
make_case = partial(random_case, steps=(2.5e-3, 1.3))


def run_native(
    function: str,
    desc: ctypes.Structure,
    case: ScanCase,
    out_dtype: int,
    executor: object = None,
    library: NativeLibrary | None = None,
) -> np.ndarray:
    """A scan of the CPU library on a case; y starts as NaN, so that a pixel left out shows."""
    library = library or load_native("vmamba_cpu")
    dims = case.dims
    shape = (dims.batch, dims.height, dims.width, dims.channels)
    y = np.full(shape, np.nan, dtype=numpy_dtype(out_dtype))
    inputs = [np.ascontiguousarray(value) for value in case.inputs]
    args = ScanArgs(*(value.ctypes.data for value in inputs), y.ctypes.data)
    pointer = None if executor is None else ctypes.byref(executor)
    library.check(library.function(function)(desc, args, pointer))
    return y
