"""Random calls of the selective scan, as arrays and as tensors.

They are calls of SelectiveScan; in the form that `ScanDims` has by default, of SelectiveScan2D too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from vmamba_deploy.ops.op import FLOAT32
from vmamba_deploy.ops.selective_scan.float64_reference import selective_scan_float64
from vmamba_deploy.ops.selective_scan.specification import ALL_ROUTES, SELECTIVE_SCAN, ScanDims
from vmamba_deploy.testing.accuracy import Array, numpy_dtype

if TYPE_CHECKING:
    import torch
    from torch import Tensor

# Smallest and largest step before the projection moves it, as in a trained network.
TRAINED_STEPS = (1e-3, 1e-1)
# Two there and two back; one there and one back; one alone; three, of which none comes back.
_ROUTE_LISTS = (ALL_ROUTES, (0, 2), (0,), (3, 2, 2))


@dataclass(frozen=True)
class ScanCase:
    """One call as arrays.

    Attributes:
        in_dtype: ONNX code of x and proj.
        inputs: x [B,H,W,D] and proj [B,H,W,K*F], or x [K,B,H,W,D] and proj [K,B,H,W,F]; dt_weight
            [K,R,D], dt_bias [K,D], a [K,N,D], d [K,D].
    """

    dims: ScanDims
    in_dtype: int
    inputs: tuple[Array, ...]

    @cached_property
    def expected(self) -> npt.NDArray[np.float64]:
        """y [B,H,W,D] in float64 from the already rounded inputs."""
        x, proj, dt_weight, dt_bias, a, d = self.inputs
        return selective_scan_float64(x, proj, dt_weight, dt_bias, a, d, self.dims.routes)

    @property
    def by_name(self) -> dict[str, Array]:
        """The inputs as a session takes them."""
        return dict(zip(SELECTIVE_SCAN.input_names, self.inputs, strict=True))


@dataclass(frozen=True)
class ScanTensors:
    """One call as tensors; `x_proj` is a matrix that makes a `proj` from x [.., D]."""

    dims: ScanDims
    x: Tensor
    proj: Tensor
    dt_weight: Tensor
    dt_bias: Tensor
    a: Tensor
    d: Tensor
    x_proj: Tensor

    @property
    def parameters(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """dt_weight [K,R,D], dt_bias [K,D], a [K,N,D], d [K,D]: float32."""
        return self.dt_weight, self.dt_bias, self.a, self.d

    @property
    def scan(self) -> tuple[Tensor, ...]:
        """The op's six inputs in their order."""
        return (self.x, self.proj, *self.parameters)

    def as_float64(self) -> tuple[Tensor, ...]:
        """The op's six inputs, already rounded, in float64."""
        return tuple(tensor.double() for tensor in self.scan)


def every_form(dims: ScanDims) -> list[ScanDims]:
    """These sizes in each form that SelectiveScan has.

    Lists of routes of each kind, with one x and with an x for each; the low-rank step, and with
    rank 1 a step for each channel.
    """
    return [
        replace(dims, routes=routes, x_per_route=own_x, step_per_channel=wide, rank=rank)
        for routes, own_x in product(_ROUTE_LISTS, (False, True))
        for wide, rank in ((False, dims.rank), (True, 1))
    ]


def random_case(
    dims: ScanDims,
    in_dtype: int = FLOAT32,
    seed: int = 0,
    *,
    steps: tuple[float, float] = TRAINED_STEPS,
) -> ScanCase:
    """A call with values of a trained network's sizes; it depends on the arguments alone.

    Args:
        dims: its sizes and form.
        in_dtype: ONNX code of x and proj.
        seed: another one gives other values.
        steps: range of delta before the projection moves it.
    """
    random = np.random.default_rng(seed)
    low = numpy_dtype(in_dtype)
    x = random.standard_normal((*dims.maps, dims.channels)).astype(low)
    proj = random.standard_normal((*dims.maps, dims.proj_features)).astype(low)
    return ScanCase(dims, in_dtype, (x, proj, *random_parameters(dims, random, steps=steps)))


def random_parameters(
    dims: ScanDims,
    random: np.random.Generator,
    *,
    steps: tuple[float, float] = TRAINED_STEPS,
) -> tuple[Array, Array, Array, Array]:
    """dt_weight, dt_bias, a and d in float32: A from -1/2 to -2 N, steps log-uniform."""
    channels, routes = dims.channels, len(dims.routes)
    dt_weight = random.uniform(-1, 1, (routes, dims.rank, channels)) * dims.rank**-0.5
    low, high = np.log(steps)
    delta = np.exp(random.uniform(low, high, (routes, channels)))
    dt_bias = delta + np.log(-np.expm1(-delta))  # softplus of it is delta
    a = -random.uniform(0.5, 2.0, (routes, dims.state, channels))
    a *= np.arange(1, dims.state + 1)[None, :, None]
    d = random.standard_normal((routes, channels))
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

    channels = dims.channels
    x, proj = normal(*dims.maps, channels), normal(*dims.maps, dims.proj_features)
    x_proj = normal(dims.proj_features, channels) * channels**-0.5
    dt_weight, dt_bias, a, d = (
        torch.from_numpy(value).to(device)
        for value in random_parameters(dims, np.random.default_rng(seed))
    )
    return ScanTensors(
        dims, x.to(dtype), proj.to(dtype), dt_weight, dt_bias, a, d, x_proj=x_proj.to(dtype)
    )
