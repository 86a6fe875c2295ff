"""`selective_scan_fn` in float64 and NumPy, a step and a channel at a time, as its text reads."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vmamba_deploy.adapting.scan_call import ScanCall


def sigmoid(v: Any) -> Any:
    return 1 / (1 + np.exp(-v))


def of_step(matrix: Any, image: int, channel: int, channels: int, step: int) -> Any:
    """The N values of B or C, given in any of its three shapes."""
    if matrix.ndim == 2:
        return matrix[channel]
    if matrix.ndim == 3:
        return matrix[image, :, step]
    group = channel // (channels // matrix.shape[1])
    return matrix[image, group, :, step]


def scan_float64(call: ScanCall) -> tuple[Any, Any]:
    """y [B, D, L] and the last state [B, D, N]."""
    given = {each.name: getattr(call, each.name) for each in fields(call)}
    at = {
        name: value.detach().double().numpy()
        for name, value in given.items()
        if isinstance(value, Tensor)
    }
    batch, channels, length = at["u"].shape
    y, states = np.zeros(at["u"].shape), np.zeros((batch, channels, at["a"].shape[1]))
    for image, channel in np.ndindex(batch, channels):
        h = np.zeros(at["a"].shape[1])
        for step in range(length):
            delta = at["delta"][image, channel, step]
            if "delta_bias" in at:
                delta = delta + at["delta_bias"][channel]
            if call.softplus:
                delta = np.log1p(np.exp(delta))
            u = at["u"][image, channel, step]
            b = of_step(at["b"], image, channel, channels, step)
            h = np.exp(delta * at["a"][channel]) * h + delta * b * u
            y[image, channel, step] = of_step(at["c"], image, channel, channels, step) @ h
            if "d" in at:
                y[image, channel, step] += at["d"][channel] * u
        states[image, channel] = h
    if "z" in at:
        y *= at["z"] * sigmoid(at["z"])
    return y, states


@dataclass(frozen=True)
class CallKind:
    """What a call has; its values are drawn."""

    b: str = "steps"
    c: str = "steps"
    groups: int = 2
    skip: bool = True
    gate: bool = False
    bias: bool = True
    softplus: bool = True
    dtype: torch.dtype = torch.float32


KINDS = {
    "usual": CallKind(),
    "gate": CallKind(gate=True),
    "bare": CallKind(skip=False, bias=False),
    "groups": CallKind(b="groups", c="groups", gate=True),
    "groups of B alone": CallKind(b="groups"),
    "one group": CallKind(b="groups", c="groups", groups=1, bias=False),
    "constant B": CallKind(b="constant"),
    "constant C": CallKind(c="constant", skip=False),
    "constant C and groups of B": CallKind(b="groups", c="constant"),
    "both constant": CallKind(b="constant", c="constant", gate=True),
    "no softplus": CallKind(softplus=False),
    "no softplus, groups, no bias": CallKind(softplus=False, b="groups", c="groups", bias=False),
    "no softplus, constant B": CallKind(softplus=False, b="constant"),
    "half": CallKind(dtype=torch.float16, gate=True),
    "half, no softplus": CallKind(dtype=torch.bfloat16, softplus=False),
}


def random_call(kind: CallKind, seed: int, *, channels: int = 6, states: int = 3) -> ScanCall:
    """Two images of seven steps; steps of trained networks, none of them negative."""
    batch, length = 2, 7
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    shapes = {
        "steps": (batch, states, length),
        "groups": (batch, kind.groups, states, length),
        "constant": (channels, states),
    }
    b, c = normal(*shapes[kind.b]), normal(*shapes[kind.c])
    delta = normal(batch, channels, length)
    delta_bias = normal(channels) - 2
    if not kind.softplus:
        delta, delta_bias = 0.1 * delta.abs(), 0.1 * delta_bias.abs()
    return ScanCall(
        u=normal(batch, channels, length).to(kind.dtype),
        delta=delta.to(kind.dtype),
        a=-torch.empty(channels, states).uniform_(0.5, 4, generator=generator),
        b=b.to(kind.dtype),
        c=c.to(kind.dtype),
        d=normal(channels) if kind.skip else None,
        z=normal(batch, channels, length).to(kind.dtype) if kind.gate else None,
        delta_bias=delta_bias if kind.bias else None,
        softplus=kind.softplus,
    )
