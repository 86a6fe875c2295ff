"""Seeded random weights under which every part of the network matters.

The scan starts as published: decay rates 1..N, steps log-uniform, unit skip. The other layers
preserve the variance of their input instead of starting small for training: under the published
start the recurrence moves the logits less than rounding to half precision does, so comparing
runtimes with such weights would not notice a broken scan.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from vmamba_deploy.models.vmamba.layers.ss2d import SS2D
from vmamba_deploy.models.vmamba.layers.stem import PositionEmbedding
from vmamba_deploy.ops.selective_scan_2d.specification import ROUTES

DELTA_MIN, DELTA_MAX, DELTA_FLOOR = 1e-3, 1e-1, 1e-4
BIAS_STD = 0.1
NORM_WEIGHT_RANGE = (0.8, 1.2)
PROJECTION_GAIN = 2.0
_LINEAR_STD = 0.02


@torch.no_grad()
def initialize(model: nn.Module, seed: int) -> None:
    """Fill every parameter of a network from `seed` alone.

    The global random state is neither read nor changed, so the same seed gives the same weights in
    any program.
    """
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        fill_layer(module, generator)
        if isinstance(module, PositionEmbedding):
            module.weight.normal_(generator=generator)
        elif isinstance(module, SS2D):
            _initialize_scan(module, generator)


def fill_layer(layer: nn.Module, generator: torch.Generator) -> None:
    """Fill a linear layer, a convolution or a LayerNorm; of others nothing.

    A weight [out, in, ...] is normal with variance 1 / fan_in.
    """
    if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d):
        layer.weight.normal_(0, layer.weight[0].numel() ** -0.5, generator=generator)
    elif isinstance(layer, nn.LayerNorm):
        layer.weight.uniform_(*NORM_WEIGHT_RANGE, generator=generator)
    else:
        return
    if layer.bias is not None:
        layer.bias.normal_(0, BIAS_STD, generator=generator)


def _initialize_scan(layer: SS2D, generator: torch.Generator) -> None:
    """S4D-real decay rates 1..N, unit skip, and steps log-uniform in [DELTA_MIN, DELTA_MAX]."""
    inner, rank = layer.dt_projs_weight.shape[1:]
    layer.x_proj_weight.normal_(0, PROJECTION_GAIN * inner**-0.5, generator=generator)
    layer.dt_projs_weight.uniform_(-(rank**-0.5), rank**-0.5, generator=generator)
    layer.dt_projs_bias.copy_(inverse_softplus(log_uniform_steps((ROUTES, inner), generator)))
    states = torch.arange(1, layer.A_logs.shape[1] + 1, dtype=torch.float32)
    layer.A_logs.copy_(torch.log(states).expand_as(layer.A_logs))
    layer.Ds.fill_(1.0)


@torch.no_grad()
def training_start(model: nn.Module, seed: int) -> None:
    """Fill every parameter of a network as the published training starts, from `seed` alone.

    Linear layers are small (a normal of 0.02, cut at two) without biases, norms pass on what they
    get, convolutions and the scans' projections start as PyTorch's layers do. Receptive fields
    before training depend on it. The global random state is neither read nor changed.
    """
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=_LINEAR_STD, generator=generator)
            if module.bias is not None:
                module.bias.zero_()
        elif isinstance(module, nn.LayerNorm):
            module.weight.fill_(1.0)
            module.bias.zero_()
        elif isinstance(module, nn.Conv2d):
            for weight in filter(torch.is_tensor, (module.weight, module.bias)):
                _uniform(weight, module.weight[0].numel(), generator)
        elif isinstance(module, PositionEmbedding):
            nn.init.trunc_normal_(module.weight, std=_LINEAR_STD, generator=generator)
        elif isinstance(module, SS2D):
            _initialize_scan(module, generator)
            _uniform(module.x_proj_weight, module.x_proj_weight.shape[-1], generator)


def _uniform(weight: Tensor, fan_in: int, generator: torch.Generator) -> None:
    """As PyTorch's linear layers and convolutions start."""
    weight.uniform_(-(fan_in**-0.5), fan_in**-0.5, generator=generator)


def log_uniform_steps(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Steps in [DELTA_MIN, DELTA_MAX], as the scan starts with."""
    fraction = torch.rand(shape, generator=generator)
    low, high = math.log(DELTA_MIN), math.log(DELTA_MAX)
    return torch.exp(low + fraction * (high - low)).clamp(min=DELTA_FLOOR)


def inverse_softplus(value: Tensor) -> Tensor:
    """What softplus makes a value of, elementwise."""
    return value + torch.log(-torch.expm1(-value))
