"""Seeded random weights under which every part of the network matters.

As VMamba's: the scan starts as published, and the other layers preserve the variance of their input
instead of starting small for training.
"""

from __future__ import annotations

import torch

from vmamba_deploy.models.vim.mixer import Mixer
from vmamba_deploy.models.vim.network import RMSNorm, Vim
from vmamba_deploy.models.vmamba.initialization import (
    NORM_WEIGHT_RANGE,
    PROJECTION_GAIN,
    fill_layer,
    inverse_softplus,
    log_uniform_steps,
)


@torch.no_grad()
def initialize(network: Vim, seed: int) -> None:
    """Fill every parameter of a network from `seed` alone; the global random state stays."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        fill_layer(module, generator)
        if isinstance(module, RMSNorm):
            module.weight.uniform_(*NORM_WEIGHT_RANGE, generator=generator)
    network.pos_embed.normal_(generator=generator)
    for name in network.config.class_token_names:
        network.get_parameter(name).normal_(generator=generator)
    for module in network.modules():
        if isinstance(module, Mixer):
            _initialize_scan(module, generator)


def _initialize_scan(mixer: Mixer, generator: torch.Generator) -> None:
    """S4D-real decay rates 1..N, unit skip, and log-uniform steps, of each direction."""
    for suffix in ("", "_b"):
        x_proj = mixer.get_parameter(f"x_proj{suffix}.weight")
        x_proj.normal_(0, PROJECTION_GAIN * x_proj.shape[1] ** -0.5, generator=generator)
        dt_proj = mixer.get_parameter(f"dt_proj{suffix}.weight")
        bound = dt_proj.shape[1] ** -0.5
        dt_proj.uniform_(-bound, bound, generator=generator)
        steps = log_uniform_steps((dt_proj.shape[0],), generator)
        mixer.get_parameter(f"dt_proj{suffix}.bias").copy_(inverse_softplus(steps))
        a_log = mixer.get_parameter(f"A{suffix}_log")
        states = torch.arange(1, a_log.shape[1] + 1, dtype=torch.float32)
        a_log.copy_(torch.log(states).expand_as(a_log))
        mixer.get_parameter(f"D{suffix}").fill_(1.0)
