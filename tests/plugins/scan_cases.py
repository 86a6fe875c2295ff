"""Random calls of the op, and the float64 answer to each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import ml_dtypes
import numpy as np

from vmamba_deploy.ops.op import BFLOAT16, FLOAT16, FLOAT32
from vmamba_deploy.ops.selective_scan_2d.float64_reference import selective_scan_2d_float64
from vmamba_deploy.ops.selective_scan_2d.specification import ROUTES, ScanDims

NUMPY_TYPES = {
    FLOAT32: np.dtype(np.float32),
    FLOAT16: np.dtype(np.float16),
    BFLOAT16: np.dtype(ml_dtypes.bfloat16),
}
NMSE_BARS = {FLOAT32: 1e-11, FLOAT16: 1e-7, BFLOAT16: 5e-6}
FLOAT32_MAX_BAR = 2e-5


@dataclass(frozen=True)
class ScanCase:
    """The six inputs of one call in their dtypes, and y in float64 from just these."""

    dims: ScanDims
    inputs: tuple[np.ndarray, ...]
    expected: np.ndarray


def random_case(dims: ScanDims, in_dtype: int, seed: int) -> ScanCase:
    """Inputs of a trained model's sizes: A from -1/2 to -2 N, steps around 1e-3 to 1e-1."""
    rng = np.random.default_rng(seed)
    pixels = (dims.batch, dims.height, dims.width)
    x = rng.standard_normal((*pixels, dims.channels))
    proj = rng.standard_normal((*pixels, dims.proj_features))
    dt_weight = rng.uniform(-1, 1, (ROUTES, dims.rank, dims.channels)) * dims.rank**-0.5
    steps = np.exp(rng.uniform(np.log(1e-3), np.log(1e-1), (ROUTES, dims.channels)))
    dt_bias = steps + np.log(-np.expm1(-steps))
    a = -rng.uniform(0.5, 2.0, (ROUTES, dims.state, dims.channels))
    a *= np.arange(1, dims.state + 1)[None, :, None]
    d = rng.standard_normal((ROUTES, dims.channels))
    element = NUMPY_TYPES[in_dtype]
    parameters = (value.astype(np.float32) for value in (dt_weight, dt_bias, a, d))
    inputs = (x.astype(element), proj.astype(element), *parameters)
    return ScanCase(dims, inputs, selective_scan_2d_float64(*inputs))


def errors(got: np.ndarray, expected: np.ndarray) -> tuple[float, float]:
    """NMSE and max |got - expected| / (1 + |expected|)."""
    difference = got.astype(np.float64) - expected
    nmse = float(np.sum(difference**2) / np.sum(expected**2))
    return nmse, float(np.max(np.abs(difference) / (1 + np.abs(expected))))


def nmse_bar(case: ScanCase, out_dtype: int) -> float:
    """The NMSE allowed to a result of this type.

    That of rounding the exact result is always allowed: of few values it may lie above the bar.
    """
    rounding, _ = errors(case.expected.astype(NUMPY_TYPES[out_dtype]), case.expected)
    return max(NMSE_BARS[out_dtype], 1.1 * rounding)


def write_call(path: Path, case: ScanCase, in_dtype: int, out_dtype: int) -> None:
    """The call as the native test programs read it: see plugins/tests/support/call_file.h."""
    header = [out_dtype]
    for index, value in enumerate(case.inputs):
        header += [in_dtype if index < 2 else FLOAT32, value.ndim, *value.shape]
    data = b"".join(np.ascontiguousarray(value).tobytes() for value in case.inputs)
    path.write_bytes(np.array(header, np.int64).tobytes() + data)


def check_answer(path: Path, case: ScanCase, out_dtype: int) -> None:
    """Compare the y that such a program wrote with float64."""
    got = np.frombuffer(path.read_bytes(), NUMPY_TYPES[out_dtype]).reshape(case.expected.shape)
    nmse, largest = errors(got, case.expected)
    assert nmse <= nmse_bar(case, out_dtype)
    if out_dtype == FLOAT32:
        assert largest <= FLOAT32_MAX_BAR
