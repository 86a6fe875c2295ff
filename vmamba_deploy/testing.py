"""What tests of an implementation of the op need: random calls, and the accuracy it must reach.

    from vmamba_deploy.testing import check_accuracy, random_case

    case = random_case(ScanDims(2, 9, 7, 96, 1, 6), FLOAT16, seed=1)
    check_accuracy(my_kernel(*case.inputs), case.expected, FLOAT32)

Arrays are NumPy's or, where a kernel runs in PyTorch, tensors (`random_tensors`). bfloat16 arrays
need the package ml_dtypes; nothing else here does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vmamba_deploy.ops.op import BFLOAT16, DTYPE_NAMES, FLOAT16, FLOAT32
from vmamba_deploy.ops.selective_scan_2d.float64_reference import selective_scan_2d_float64
from vmamba_deploy.ops.selective_scan_2d.specification import ROUTES, SELECTIVE_SCAN_2D, ScanDims

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Array = npt.NDArray[Any]

# By the dtype of y, as docs/selective_scan_2d.md asks; the second is asked of float32 alone.
NMSE_BARS = {FLOAT32: 1e-11, FLOAT16: 1e-7, BFLOAT16: 5e-6}
LARGEST_BAR = 2e-5
# What rounding the exact result costs is always allowed: of few values it may lie above the bar.
ROUNDING_ALLOWANCE = 1.1
# Smallest and largest step before the projection moves it, as in a trained network.
TRAINED_STEPS = (1e-3, 1e-1)


@dataclass(frozen=True)
class ScanCase:
    """One call as arrays.

    Attributes:
        in_dtype: ONNX code of x and proj.
        inputs: x [B,H,W,D], proj [B,H,W,4*(R+2N)], dt_weight [4,R,D], dt_bias [4,D], a [4,N,D],
            d [4,D].
    """

    dims: ScanDims
    in_dtype: int
    inputs: tuple[Array, ...]

    @cached_property
    def expected(self) -> npt.NDArray[np.float64]:
        """y [B,H,W,D] in float64 from the already rounded inputs."""
        return selective_scan_2d_float64(*self.inputs)

    @property
    def by_name(self) -> dict[str, Array]:
        """The inputs as a session takes them."""
        return dict(zip(SELECTIVE_SCAN_2D.input_names, self.inputs, strict=True))


@dataclass(frozen=True)
class ScanTensors:
    """One call as tensors; `x_proj` [4*(R+2N), D] is a matrix that makes a `proj` from x."""

    x: Tensor
    proj: Tensor
    dt_weight: Tensor
    dt_bias: Tensor
    a: Tensor
    d: Tensor
    x_proj: Tensor

    @property
    def parameters(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """dt_weight [4,R,D], dt_bias [4,D], a [4,N,D], d [4,D]: float32."""
        return self.dt_weight, self.dt_bias, self.a, self.d

    @property
    def scan(self) -> tuple[Tensor, ...]:
        """The op's six inputs in their order."""
        return (self.x, self.proj, *self.parameters)

    def as_float64(self) -> tuple[Tensor, ...]:
        """The op's six inputs, already rounded, in float64."""
        return tuple(tensor.double() for tensor in self.scan)


@dataclass(frozen=True)
class Errors:
    """How far a result is from the exact one; infinite where it is not finite.

    Attributes:
        nmse: sum((y - expected)^2) / sum(expected^2).
        largest: max |y - expected| / (1 + |expected|).
    """

    nmse: float
    largest: float


def random_case(
    dims: ScanDims,
    in_dtype: int = FLOAT32,
    seed: int = 0,
    *,
    steps: tuple[float, float] = TRAINED_STEPS,
) -> ScanCase:
    """A call with values of a trained network's sizes; it depends on the arguments alone.

    Args:
        dims: its sizes.
        in_dtype: ONNX code of x and proj.
        seed: another one gives other values.
        steps: range of delta before the projection moves it.
    """
    random = np.random.default_rng(seed)
    pixels, low = (dims.batch, dims.height, dims.width), numpy_dtype(in_dtype)
    x = random.standard_normal((*pixels, dims.channels)).astype(low)
    proj = random.standard_normal((*pixels, dims.proj_features)).astype(low)
    return ScanCase(dims, in_dtype, (x, proj, *random_parameters(dims, random, steps=steps)))


def random_parameters(
    dims: ScanDims,
    random: np.random.Generator,
    *,
    steps: tuple[float, float] = TRAINED_STEPS,
) -> tuple[Array, Array, Array, Array]:
    """dt_weight, dt_bias, a and d in float32: A from -1/2 to -2 N, steps log-uniform."""
    channels = dims.channels
    dt_weight = random.uniform(-1, 1, (ROUTES, dims.rank, channels)) * dims.rank**-0.5
    low, high = np.log(steps)
    delta = np.exp(random.uniform(low, high, (ROUTES, channels)))
    dt_bias = delta + np.log(-np.expm1(-delta))  # softplus of it is delta
    a = -random.uniform(0.5, 2.0, (ROUTES, dims.state, channels))
    a *= np.arange(1, dims.state + 1)[None, :, None]
    d = random.standard_normal((ROUTES, channels))
    made = (dt_weight, dt_bias, a, d)
    first, second, third, fourth = (value.astype(np.float32) for value in made)
    return first, second, third, fourth


def random_tensors(
    dims: ScanDims, dtype: torch.dtype, device: str = "cpu", seed: int = 0
) -> ScanTensors:
    """As `random_case`, its maps drawn on the device. Needs PyTorch."""
    import torch

    generator = torch.Generator(device).manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, device=device)

    pixels, channels = (dims.batch, dims.height, dims.width), dims.channels
    x, proj = normal(*pixels, channels), normal(*pixels, dims.proj_features)
    x_proj = normal(dims.proj_features, channels) * channels**-0.5
    dt_weight, dt_bias, a, d = (
        torch.from_numpy(value).to(device)
        for value in random_parameters(dims, np.random.default_rng(seed))
    )
    return ScanTensors(
        x.to(dtype), proj.to(dtype), dt_weight, dt_bias, a, d, x_proj=x_proj.to(dtype)
    )


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


def nmse_bar(expected: Array | Tensor, out_dtype: int) -> float:
    """The NMSE that a result of this dtype (ONNX code) may have."""
    if isinstance(expected, np.ndarray):
        rounded: Array | Tensor = expected.astype(numpy_dtype(out_dtype))
    else:
        from vmamba_deploy.ops.torch_registration import TORCH_DTYPES

        rounded = expected.to(TORCH_DTYPES[out_dtype])
    return max(NMSE_BARS[out_dtype], ROUNDING_ALLOWANCE * errors_of(rounded, expected).nmse)


def check_accuracy(y: Array | Tensor, expected: Array | Tensor, out_dtype: int) -> Errors:
    """Hold a result to the accuracy that docs/selective_scan_2d.md asks of its dtype.

    Raises:
        AssertionError: with the numbers, where it is not reached.
    """
    errors, bar = errors_of(y, expected), nmse_bar(expected, out_dtype)
    too_far: Sequence[str] = [
        f"{name} is {value:.2e}, at most {most:.2e} is allowed"
        for name, value, most, asked in (
            ("NMSE", errors.nmse, bar, True),
            ("max |d| / (1 + |y|)", errors.largest, LARGEST_BAR, out_dtype == FLOAT32),
        )
        if asked and not value <= most
    ]
    if too_far:
        raise AssertionError(f"y in {DTYPE_NAMES[out_dtype]}: {'; '.join(too_far)}")
    return errors


def _float64(values: Any) -> Any:
    return values.astype(np.float64) if isinstance(values, np.ndarray) else values.double()
