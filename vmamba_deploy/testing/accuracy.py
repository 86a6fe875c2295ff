"""The accuracy that an implementation of an op must reach, and how it is measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vmamba_deploy.ops.op import BFLOAT16, DTYPE_NAMES, FLOAT16, FLOAT32

if TYPE_CHECKING:
    from torch import Tensor

Array = npt.NDArray[Any]

DTYPE_PAIRS = [
    (FLOAT32, FLOAT32),
    (FLOAT16, FLOAT32),
    (BFLOAT16, FLOAT32),
    (FLOAT16, FLOAT16),
    (BFLOAT16, BFLOAT16),
]
"""ONNX codes of what an op of ours may take and give."""
# By the dtype of y, as the page of each op asks; the second is asked of float32 alone.
NMSE_LIMITS = {FLOAT32: 1e-11, FLOAT16: 1e-7, BFLOAT16: 5e-6}
LARGEST_LIMIT = 2e-5
# What rounding the exact result costs is always allowed: of few values it may lie above the limit.
ROUNDING_ALLOWANCE = 1.1


@dataclass(frozen=True)
class Errors:
    """How far a result is from the exact one; infinite where it is not finite.

    Attributes:
        nmse: sum((y - expected)^2) / sum(expected^2).
        largest: max |y - expected| / (1 + |expected|).
    """

    nmse: float
    largest: float


def numpy_dtype(code: int) -> np.dtype[Any]:
    """NumPy's dtype of an ONNX code; bfloat16 is that of ml_dtypes."""
    if code == BFLOAT16:
        import ml_dtypes  # noqa: F401 - registers the name
    return np.dtype(DTYPE_NAMES[code])


def errors_of(y: Array | Tensor, expected: Array | Tensor) -> Errors:
    """Compare two arrays or two tensors of one shape.

    Raises:
        AssertionError: the shapes differ.
    """
    if tuple(y.shape) != tuple(expected.shape):
        raise AssertionError(f"y has shape {tuple(y.shape)}, expected {tuple(expected.shape)}")
    if math.prod(y.shape) == 0:
        return Errors(0.0, 0.0)
    exact = _float64(expected)
    difference = _float64(y) - exact
    squares, scale = float((difference**2).sum()), float((exact**2).sum())
    nmse = squares / scale if scale > 0 else squares and math.inf
    largest = float((abs(difference) / (1 + abs(exact))).max())
    return Errors(*(math.inf if math.isnan(value) else value for value in (nmse, largest)))


def nmse_limit(expected: Array | Tensor, out_dtype: int) -> float:
    """The NMSE that a result of this dtype (ONNX code) may have."""
    if isinstance(expected, np.ndarray):
        rounded: Array | Tensor = expected.astype(numpy_dtype(out_dtype))
    else:
        from vmamba_deploy.ops.torch_registration import TORCH_DTYPES

        rounded = expected.to(TORCH_DTYPES[out_dtype])
    return max(NMSE_LIMITS[out_dtype], ROUNDING_ALLOWANCE * errors_of(rounded, expected).nmse)


def check_accuracy(y: Array | Tensor, expected: Array | Tensor, out_dtype: int) -> Errors:
    """Hold a result to the accuracy that the page of each op asks of its dtype.

    Raises:
        AssertionError: with the numbers, where it is not reached.
    """
    errors, limit = errors_of(y, expected), nmse_limit(expected, out_dtype)
    too_far: Sequence[str] = [
        f"{name} is {value:.2e}, at most {most:.2e} is allowed"
        for name, value, most, asked in (
            ("NMSE", errors.nmse, limit, True),
            ("max |d| / (1 + |y|)", errors.largest, LARGEST_LIMIT, out_dtype == FLOAT32),
        )
        if asked and not value <= most
    ]
    if too_far:
        raise AssertionError(f"y in {DTYPE_NAMES[out_dtype]}: {'; '.join(too_far)}")
    return errors


def _float64(values: Any) -> Any:
    return values.astype(np.float64) if isinstance(values, np.ndarray) else values.double()
