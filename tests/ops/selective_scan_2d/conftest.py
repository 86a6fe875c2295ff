"""Random calls of the op as NumPy arrays, and the C interface called on them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass

import ml_dtypes
import numpy as np
import pytest

from vmamba_deploy.ops.native_abi import NativeLibrary, ScanArgs, ScanDesc, load_native
from vmamba_deploy.ops.op import BFLOAT16, FLOAT16, FLOAT32
from vmamba_deploy.ops.selective_scan_2d.float64_reference import selective_scan_2d_float64
from vmamba_deploy.ops.selective_scan_2d.specification import ScanDims

NUMPY_DTYPES = {FLOAT32: np.float32, FLOAT16: np.float16, BFLOAT16: ml_dtypes.bfloat16}
# NMSE by output dtype; max |d|/(1+|y|) is asked of float32 output only.
NMSE_BOUNDS = {FLOAT32: 1e-11, FLOAT16: 1e-7, BFLOAT16: 5e-6}
MAX_RELATIVE_BOUND = 2e-5


@dataclass(frozen=True)
class ScanCase:
    """The six inputs of a call, in the order of the contract."""

    dims: ScanDims
    in_dtype: int
    inputs: tuple[np.ndarray, ...]

    def reference(self) -> np.ndarray:
        return selective_scan_2d_float64(*self.inputs)


def make_case(dims: ScanDims, in_dtype: int = FLOAT32, seed: int = 0) -> ScanCase:
    """Inputs sized as in a trained network: delta from 1e-3 to a few units, A in -16..-0.4."""
    rng = np.random.default_rng(seed)
    batch, height, width, channels = dims.batch, dims.height, dims.width, dims.channels
    low = NUMPY_DTYPES[in_dtype]
    x = rng.standard_normal((batch, height, width, channels)).astype(low)
    proj = rng.standard_normal((batch, height, width, dims.proj_features)).astype(low)
    dt_weight = rng.standard_normal((4, dims.rank, channels)) * dims.rank**-0.5
    dt_bias = rng.uniform(-6, 1, (4, channels))
    a = -np.exp(rng.uniform(-1, 2.8, (4, dims.state, channels)))
    d = rng.standard_normal((4, channels))
    parameters = tuple(value.astype(np.float32) for value in (dt_weight, dt_bias, a, d))
    return ScanCase(dims, in_dtype, (x, proj, *parameters))


def run_native(
    case: ScanCase,
    out_dtype: int = FLOAT32,
    executor: object = None,
    library: NativeLibrary | None = None,
) -> np.ndarray:
    """`vmamba_scan_cpu` on a case; the output starts as NaN, so that a pixel left out shows."""
    library = library or load_native("vmamba_cpu")
    dims = case.dims
    shape = (dims.batch, dims.height, dims.width, dims.channels)
    y = np.full(shape, np.nan, dtype=NUMPY_DTYPES[out_dtype])
    desc = ScanDesc(*shape, dims.state, dims.rank, case.in_dtype, out_dtype)
    inputs = [np.ascontiguousarray(value) for value in case.inputs]
    args = ScanArgs(*(value.ctypes.data for value in inputs), y.ctypes.data)
    pointer = None if executor is None else ctypes.byref(executor)
    library.check(library.function("vmamba_scan_cpu")(desc, args, pointer))
    return y


def nmse(y: np.ndarray, expected: np.ndarray) -> float:
    difference = y.astype(np.float64) - expected
    return float((difference**2).sum() / max((expected**2).sum(), 1e-30))


def assert_accurate(y: np.ndarray, expected: np.ndarray, out_dtype: int) -> None:
    """Within the bound of its type, or of few values within what rounding the exact ones costs."""
    rounding = nmse(expected.astype(NUMPY_DTYPES[out_dtype]), expected)
    assert nmse(y, expected) <= max(NMSE_BOUNDS[out_dtype], 1.1 * rounding)
    if out_dtype == FLOAT32:
        difference = np.abs(y.astype(np.float64) - expected)
        assert np.max(difference / (1 + np.abs(expected))) <= MAX_RELATIVE_BOUND


@pytest.fixture(scope="session")
def scan_case() -> Callable[..., ScanCase]:
    return make_case


@pytest.fixture(scope="session")
def native_scan() -> Callable[..., np.ndarray]:
    return run_native


@pytest.fixture(scope="session")
def check_accuracy() -> Callable[[np.ndarray, np.ndarray, int], None]:
    return assert_accurate
