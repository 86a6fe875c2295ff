"""Loading all weights or none, with a readable account of what does not fit."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from vmamba_deploy.errors import printable

LISTED_NAMES = 6


def fill_strictly(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copy weights, already checked by `differences`, into a network on the CPU, as float32."""
    with torch.no_grad():
        for name, parameter in model.state_dict().items():
            parameter.copy_(weights[name])


def differences(model: nn.Module, weights: Mapping[str, Tensor]) -> str:
    """Describe how weights differ from what a network wants; empty if they fit.

    Args:
        model: the network; may be on the meta device.
        weights: tensors with canonical names.
    """
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    given = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    missing = [f"{name} {wanted[name]}" for name in wanted if name not in given]
    unexpected = [f"{name} {given[name]}" for name in given if name not in wanted]
    misshapen = [
        f"{name}: file {given[name]}, network {wanted[name]}"
        for name in wanted
        if name in given and given[name] != wanted[name]
    ]
    sections = (
        ("missing from the file", missing),
        ("unexpected in the file", unexpected),
        ("of the wrong shape", misshapen),
    )
    return "\n".join(_section(title, names) for title, names in sections if names)


def _section(title: str, names: list[str]) -> str:
    lines = [f"  {len(names)} {title}:"]
    lines += [f"    {printable(name)}" for name in names[:LISTED_NAMES]]
    if len(names) > LISTED_NAMES:
        lines.append(f"    ... and {len(names) - LISTED_NAMES} more")
    return "\n".join(lines)
