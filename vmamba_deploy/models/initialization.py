"""Seeded random weights with the statistics that VMamba is trained from."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from vmamba_deploy.models.layers.ss2d import SS2D
from vmamba_deploy.ops.contract import ROUTES

DELTA_MIN, DELTA_MAX, DELTA_FLOOR = 1e-3, 1e-1, 1e-4
LINEAR_STD = 0.02


@torch.no_grad()
def initialize(model: nn.Module, seed: int) -> None:
    """Fill every parameter of a network from `seed` alone.

    The global random state is neither read nor changed, so the same seed gives the same weights in
    any program.
    """
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=LINEAR_STD, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Conv2d):
            _initialize_conv(module, generator)
        elif isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, SS2D):
            _initialize_scan(module, generator)


def _initialize_conv(conv: nn.Conv2d, generator: torch.Generator) -> None:
    """Uniform in +-1/sqrt(fan_in), weights and bias: PyTorch's own default for convolutions."""
    bound = 1 / math.sqrt(conv.weight[0].numel())
    nn.init.uniform_(conv.weight, -bound, bound, generator=generator)
    if conv.bias is not None:
        nn.init.uniform_(conv.bias, -bound, bound, generator=generator)


def _initialize_scan(layer: SS2D, generator: torch.Generator) -> None:
    """S4D-real decay rates 1..N, unit skip, and steps log-uniform in [DELTA_MIN, DELTA_MAX]."""
    inner, rank = layer.dt_projs_weight.shape[1:]
    fan_in_bound = 1 / math.sqrt(inner)
    nn.init.uniform_(layer.x_proj_weight, -fan_in_bound, fan_in_bound, generator=generator)
    rank_bound = rank**-0.5
    nn.init.uniform_(layer.dt_projs_weight, -rank_bound, rank_bound, generator=generator)
    layer.dt_projs_bias.copy_(_inverse_softplus(_log_uniform_steps(inner, generator)))
    states = torch.arange(1, layer.A_logs.shape[1] + 1, dtype=torch.float32)
    layer.A_logs.copy_(torch.log(states).expand_as(layer.A_logs))
    nn.init.ones_(layer.Ds)


def _log_uniform_steps(inner: int, generator: torch.Generator) -> Tensor:
    fraction = torch.rand(ROUTES, inner, generator=generator)
    low, high = math.log(DELTA_MIN), math.log(DELTA_MAX)
    return torch.exp(low + fraction * (high - low)).clamp(min=DELTA_FLOOR)


def _inverse_softplus(value: Tensor) -> Tensor:
    return value + torch.log(-torch.expm1(-value))
