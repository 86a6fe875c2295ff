"""The network of samples/your_network in float64, its scan a loop over steps in NumPy."""

from __future__ import annotations

import copy
from types import ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn

from vmamba_deploy import shims


def sharpener() -> ModuleType:
    """The module, imported as a user imports it."""
    with shims():
        from samples.your_network import sharpener

        return sharpener


def weighted(seed: int = 5) -> nn.Module:
    """The network with weights under which every part of it matters."""
    torch.manual_seed(seed)
    network: nn.Module = sharpener().build().eval()
    norm = network.stem[1]
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2.0)
    for mixer in network.mixers:
        for projection in mixer.dt_proj:
            projection.bias.data.uniform_(-3.0, 0.0)
        mixer.D.data.normal_()
    return network


def scan_of_steps(
    u: Tensor, delta: Tensor, a: Tensor, b: Tensor, c: Tensor, d: Tensor, **others: Any
) -> Tensor:
    """[B, D, L] of [B, D, L], with the bias and the softplus that the network asks for."""
    assert others.keys() == {"delta_bias", "delta_softplus"}
    u_, delta_, a_, b_, c_, d_ = (each.numpy() for each in (u, delta, a, b, c, d))
    steps = np.log1p(np.exp(delta_ + others["delta_bias"].numpy()[None, :, None]))
    h, y = np.zeros((*u_.shape[:2], a_.shape[1])), np.zeros_like(u_)
    for t in range(u_.shape[2]):
        decay = np.exp(steps[:, :, t, None] * a_)
        h = decay * h + (steps[:, :, t] * u_[:, :, t])[..., None] * b_[:, None, :, t]
        y[:, :, t] = (h * c_[:, None, :, t]).sum(-1) + d_ * u_[:, :, t]
    return torch.from_numpy(y)


def outputs_float64(network: nn.Module, **inputs: np.ndarray[Any, Any]) -> dict[str, Any]:
    """What it gives for inputs by name."""
    exact = copy.deepcopy(network).double()
    # It asks for float32 in places, which is what a half precision training needs and no more.
    with (
        patch.object(sharpener(), "selective_scan_fn", scan_of_steps),
        patch.object(Tensor, "float", lambda tensor: tensor),
        torch.inference_mode(),
    ):
        given = exact(**{name: torch.from_numpy(one).double() for name, one in inputs.items()})
    return {name: one.numpy() for name, one in given.items()}
