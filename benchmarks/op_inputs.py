"""Inputs of the op of a trained model's sizes, as tensors."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vmamba_deploy.ops.op import BFLOAT16, FLOAT16, FLOAT32
from vmamba_deploy.ops.selective_scan_2d.specification import ROUTES, ScanDims

ONNX_CODES = {torch.float32: FLOAT32, torch.float16: FLOAT16, torch.bfloat16: BFLOAT16}
SMALLEST_STEP, LARGEST_STEP = 1e-3, 1e-1


@dataclass(frozen=True)
class OpInputs:
    """The op's inputs; `x_proj` [4*(R+2N), D] is the matrix that makes `proj` from x."""

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


def random_inputs(dims: ScanDims, dtype: torch.dtype, device: str, seed: int = 0) -> OpInputs:
    """A from -1/2 to -2 N, steps log-uniform from 1e-3 to 1e-1 before the projection moves them."""
    generator = torch.Generator(device).manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, device=device)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(shape, generator=generator, device=device)

    pixels, channels = (dims.batch, dims.height, dims.width), dims.channels
    span = torch.tensor([SMALLEST_STEP, LARGEST_STEP]).log()
    steps = uniform(float(span[0]), float(span[1]), ROUTES, channels).exp()
    states = torch.arange(1, dims.state + 1, device=device)[None, :, None]
    x_proj = normal(dims.proj_features, channels) * channels**-0.5
    return OpInputs(
        x=normal(*pixels, channels).to(dtype),
        proj=normal(*pixels, dims.proj_features).to(dtype),
        dt_weight=uniform(-1, 1, ROUTES, dims.rank, channels) * dims.rank**-0.5,
        dt_bias=steps + torch.log(-torch.expm1(-steps)),
        a=-uniform(0.5, 2.0, ROUTES, dims.state, channels) * states,
        d=normal(ROUTES, channels),
        x_proj=x_proj.to(dtype),
    )
