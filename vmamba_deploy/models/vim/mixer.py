"""Vim's mixer: the selective scan over a sequence, forward and backward (arXiv 2401.09417)."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vmamba_deploy.models.vim.config import VimConfig
from vmamba_deploy.models.vmamba.layers.casting import Linear, cast, emulates_half, linear
from vmamba_deploy.ops.op import FLOAT32

ROUTES = (0, 2)
"""Of a map of one row: forward, backward."""


class Operands(NamedTuple):
    """What the mixer computes with, made of its parameters; the directions' are stacked.

    Attributes:
        in_proj_x: [D,C], of what is scanned.
        in_proj_z: [D,C], of the gate.
        conv: kernels [2,D,1,1,W] in the order of tokens: the backward one is reversed.
        conv_bias: [2,D].
        x_proj: [2,1,1,D,R+2N].
        dt_weight: [2,R,D] float32.
        dt_bias: [2,D] float32.
        a: [2,N,D] float32, negative.
        d: [2,D] float32.
        out_proj: [C,D], halved where the sum of the directions is.
    """

    in_proj_x: Tensor
    in_proj_z: Tensor
    conv: Tensor
    conv_bias: Tensor
    x_proj: Tensor
    dt_weight: Tensor
    dt_bias: Tensor
    a: Tensor
    d: Tensor
    out_proj: Tensor


class Mixer(nn.Module):
    """in_proj; of each direction causal convolution, SiLU and scan; gate, out_proj.

    Parameters carry the names and shapes of the public checkpoints; those that end in `_b` are of
    the backward direction.
    """

    def __init__(self, config: VimConfig) -> None:
        super().__init__()
        inner, state, rank = config.inner, config.d_state, config.rank
        self.divide_out = config.divide_out
        self.frozen = False
        self.in_proj = Linear(config.channels, 2 * inner, bias=False)
        for suffix in ("", "_b"):
            convolution = nn.Conv1d(inner, inner, config.conv_width, groups=inner)
            self.add_module(f"conv1d{suffix}", convolution)
            self.add_module(f"x_proj{suffix}", Linear(inner, rank + 2 * state, bias=False))
            self.add_module(f"dt_proj{suffix}", Linear(rank, inner))
            self.register_parameter(f"A{suffix}_log", nn.Parameter(torch.empty(inner, state)))
            self.register_parameter(f"D{suffix}", nn.Parameter(torch.empty(inner)))
        self.out_proj = Linear(inner, config.channels, bias=False)

    def operands(self) -> Operands:
        """What `forward` computes with; buffers once it was frozen."""
        if self.frozen:
            return Operands(*(self.get_buffer(f"frozen_{name}") for name in Operands._fields))
        dt_weight = self._both("dt_proj{}.weight").transpose(1, 2)
        a = -torch.exp(self._both("A{}_log").float()).transpose(1, 2)
        kernels = self.get_parameter("conv1d.weight"), self.get_parameter("conv1d_b.weight").flip(2)
        in_proj_x, in_proj_z = self.in_proj.weight.chunk(2)
        return Operands(
            in_proj_x=in_proj_x,
            in_proj_z=in_proj_z,
            conv=torch.stack(kernels).unsqueeze(3),
            conv_bias=self._both("conv1d{}.bias"),
            x_proj=self._both("x_proj{}.weight").transpose(1, 2)[:, None, None],
            dt_weight=cast(dt_weight, torch.float32).contiguous(),
            dt_bias=cast(self._both("dt_proj{}.bias"), torch.float32),
            a=a.contiguous(),
            d=cast(self._both("D{}"), torch.float32),
            out_proj=self.out_proj.weight * 0.5 if self.divide_out else self.out_proj.weight,
        )

    def _both(self, name: str) -> Tensor:
        """A parameter of both directions, stacked."""
        return torch.stack([self.get_parameter(name.format(suffix)) for suffix in ("", "_b")])

    def freeze(self) -> None:
        """Keep the operands as buffers, so that a traced graph has them as constants."""
        self.frozen = False
        with torch.no_grad():
            for name, part in self.operands()._asdict().items():
                self.register_buffer(f"frozen_{name}", part.clone(), persistent=False)
        self.frozen = True

    def forward(self, tokens: Tensor) -> Tensor:
        """Map [B, 1, L, C] to [B, 1, L, C] in the dtype of out_proj's weight."""
        from vmamba_deploy.ops.selective_scan.torch_op import selective_scan

        own = self.operands()
        x, gate = linear(tokens, own.in_proj_x), linear(tokens, own.in_proj_z)
        scanned = self.convolved(x, own)
        proj = _products(scanned, own.x_proj)
        y = selective_scan(
            *(cast(scanned, proj.dtype), proj),
            *(own.dt_weight, own.dt_bias, own.a, own.d),
            ROUTES,
            FLOAT32,
        )
        return linear(y * F.silu(gate), own.out_proj)

    def convolved(self, x: Tensor, own: Operands) -> Tensor:
        """What each direction scans, [2, B, 1, L, D], of x [B, 1, L, D].

        A convolution sees the tokens that its direction visited before: those on the left, or on
        the right.
        """
        channels_first = x.permute(0, 3, 1, 2)
        before = own.conv.shape[-1] - 1
        parts = [
            _depthwise(F.pad(channels_first, padding), kernel, bias).permute(0, 2, 3, 1)
            for padding, kernel, bias in zip(
                ((before, 0), (0, before)), own.conv, own.conv_bias, strict=True
            )
        ]
        return F.silu(torch.stack(parts))


def _depthwise(x: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    """Convolve [B, D, 1, L] with kernels [D, 1, 1, W] to [B, D, 1, L - W + 1], in their dtype."""
    x, groups = cast(x, kernel.dtype), kernel.shape[0]
    if emulates_half(kernel):
        wide = F.conv2d(x.float(), kernel.float(), bias.float(), groups=groups)
        return wide.to(kernel.dtype)
    return F.conv2d(x, kernel, bias, groups=groups)


def _products(x: Tensor, weight: Tensor) -> Tensor:
    """Products [K, ..., I] by [K, 1, 1, I, O] of each direction, in the dtype of the weight."""
    x = cast(x, weight.dtype)
    if emulates_half(weight):
        return (x.float() @ weight.float()).to(weight.dtype)
    return x @ weight
