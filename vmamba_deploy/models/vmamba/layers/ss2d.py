"""SS2D, the 2D selective scan block's core (arXiv 2401.10166, section 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vmamba_deploy.models.vmamba.layers.casting import Conv2d, LayerNorm, Linear, cast, linear
from vmamba_deploy.ops.op import FLOAT32
from vmamba_deploy.ops.selective_scan_2d.specification import ROUTES

ScanBackend = Literal["native", "reference"]

_FROZEN_NAMES = ("frozen_dt_weight", "frozen_dt_bias", "frozen_a", "frozen_d")


@dataclass(frozen=True)
class SS2DSizes:
    """Sizes of one SS2D: channels C, inner channels D, state N, rank R, and its options.

    The depthwise convolution has kernels of `conv_side` x `conv_side`; 0 means that there is none.
    """

    channels: int
    inner_channels: int
    state: int
    rank: int
    gated: bool
    conv_bias: bool
    conv_side: int = 3


class SS2D(nn.Module):
    """in_proj, depthwise convolution if any, SiLU, four-route scan, LayerNorm, out_proj.

    Parameters carry the names and shapes of the public checkpoints; `scan_parameters` lays them out
    as the operator wants them. `scan_backend` chooses the implementation of the scan.
    """

    scan_backend: ScanBackend = "native"
    frozen_x_proj: Tensor

    def __init__(self, sizes: SS2DSizes) -> None:
        super().__init__()
        inner, state, rank = sizes.inner_channels, sizes.state, sizes.rank
        self.gated = sizes.gated
        self.frozen = False
        self.in_proj = Linear(sizes.channels, inner * (2 if sizes.gated else 1), bias=False)
        side = sizes.conv_side
        self.conv2d = (
            Conv2d(inner, inner, side, padding=side // 2, groups=inner, bias=sizes.conv_bias)
            if side
            else nn.Identity()
        )
        self.x_proj_weight = nn.Parameter(torch.empty(ROUTES, rank + 2 * state, inner))
        self.dt_projs_weight = nn.Parameter(torch.empty(ROUTES, inner, rank))
        self.dt_projs_bias = nn.Parameter(torch.empty(ROUTES, inner))
        self.A_logs = nn.Parameter(torch.empty(ROUTES * inner, state))
        self.Ds = nn.Parameter(torch.empty(ROUTES * inner))
        self.out_norm = LayerNorm(inner)
        self.out_proj = Linear(inner, sizes.channels, bias=False)

    def scan_parameters(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return dt_weight [4,R,D], dt_bias [4,D], a [4,N,D], d [4,D]: float32, contiguous."""
        if self.frozen:
            dt_weight, dt_bias, a, d = (self.get_buffer(name) for name in _FROZEN_NAMES)
            return dt_weight, dt_bias, a, d
        inner = self.dt_projs_bias.shape[1]
        dt_weight = self.dt_projs_weight.transpose(1, 2)
        a = -torch.exp(self.A_logs.float()).view(ROUTES, inner, -1).transpose(1, 2)
        parts = (dt_weight, self.dt_projs_bias, a, self.Ds.view(ROUTES, inner))
        dt_weight, dt_bias, a, d = (cast(part, torch.float32).contiguous() for part in parts)
        return dt_weight, dt_bias, a, d

    def freeze_scan_parameters(self) -> None:
        """Keep the operator's inputs as buffers, so that a traced graph has them as constants."""
        self.frozen = False
        with torch.no_grad():
            parameters = [part.detach().clone() for part in self.scan_parameters()]
            x_proj = self.x_proj_weight.detach().flatten(0, 1).clone()
        for name, part in zip(_FROZEN_NAMES, parameters, strict=True):
            self.register_buffer(name, part, persistent=False)
        self.register_buffer("frozen_x_proj", x_proj, persistent=False)
        self.frozen = True

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, H, W, C] to [B, H, W, C] in the dtype of out_proj's weight."""
        x = self.in_proj(x)
        gate = None
        if self.gated:
            x, gate = x.chunk(2, dim=-1)
        x = F.silu(self.conv2d(x))
        x_proj = self.frozen_x_proj if self.frozen else self.x_proj_weight.flatten(0, 1)
        # Projections are per pixel, so they commute with the routes: one product for all four.
        proj = linear(x, x_proj)
        # Autocast may bring the one to half precision and leave the other, and the op takes a pair.
        y = selective_scan_fp32(
            self.scan_backend, cast(x, proj.dtype), proj, self.scan_parameters()
        )
        y = self.out_norm(y)
        if gate is not None:
            y = y * F.silu(gate)
        return self.out_proj(y)


def selective_scan_fp32(
    backend: ScanBackend,
    x: Tensor,
    proj: Tensor,
    parameters: tuple[Tensor, Tensor, Tensor, Tensor],
) -> Tensor:
    """Run `vmamba::SelectiveScan2D` with a float32 result.

    Args:
        backend: `native` is the registered operator, a single node in an exported graph;
            `reference` is plain PyTorch, slow and differentiable.
        x: [B, H, W, D] float32, float16 or bfloat16.
        proj: [B, H, W, 4*(R+2N)], dtype of x.
        parameters: dt_weight [4,R,D], dt_bias [4,D], a [4,N,D], d [4,D], all float32.

    Returns:
        [B, H, W, D] float32.
    """
    if backend == "reference":
        from vmamba_deploy.ops.selective_scan_2d.torch_reference import selective_scan_2d_reference

        return selective_scan_2d_reference(x, proj, *parameters, FLOAT32)
    from vmamba_deploy.ops.selective_scan_2d.torch_op import selective_scan_2d

    return selective_scan_2d(x, proj, *parameters, FLOAT32)
