"""The C interface called on random cases of every form."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from benchmarks.c_interface import ScanArgs, SelectiveScanDesc, load_native
from vmamba_deploy.ops.op import FLOAT32
from vmamba_deploy.testing import ScanCase, numpy_dtype, random_case

# Steps of up to more than one, where softplus bends.
make_case = partial(random_case, steps=(2.5e-3, 1.3))


def run_native(case: ScanCase, out_dtype: int = FLOAT32, executor: object = None) -> np.ndarray:
    """`vmamba_selective_scan_cpu` on a case; the output starts as NaN: a pixel left out shows."""
    library = load_native("vmamba_cpu")
    dims = case.dims
    shape = (dims.batch, dims.height, dims.width, dims.channels)
    y = np.full(shape, np.nan, dtype=numpy_dtype(out_dtype))
    desc = SelectiveScanDesc.of(dims, case.in_dtype, out_dtype)
    inputs = [np.ascontiguousarray(value) for value in case.inputs]
    args = ScanArgs(*(value.ctypes.data for value in inputs), y.ctypes.data)
    pointer = None if executor is None else ctypes.byref(executor)
    library.check(library.function("vmamba_selective_scan_cpu")(desc, args, pointer))
    return y


@pytest.fixture(scope="session")
def scan_case() -> Callable[..., ScanCase]:
    return make_case


@pytest.fixture(scope="session")
def native_scan() -> Callable[..., np.ndarray]:
    return run_native
