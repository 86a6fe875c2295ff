"""Small networks in the dialects of public repositories, written from the blocks' specifications.

They import what their authors import, so they are loaded inside `shims()`.
"""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from vmamba_deploy.adapting import shims

FOLDER = Path(__file__).parent / "dialects"
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.py")))
_STEPS = (1e-3, 1e-1)


@dataclass(frozen=True)
class Dialect:
    """A network with weights under which its scans matter, in eval mode, and an input of it."""

    name: str
    network: nn.Module
    example: Tensor

    def another_input(self, seed: int) -> Tensor:
        return torch.randn(self.example.shape, generator=torch.Generator().manual_seed(seed))


def load(name: str, seed: int = 0) -> Dialect:
    with shims():
        module = load_file(FOLDER / f"{name}.py", name)
        network = module.build()
    make_lively(network, seed)
    return Dialect(name, network.eval(), module.example())


def load_file(path: Path, name: str):
    """The module of a file, in `sys.modules` as an import would leave it."""
    full = f"dialect_{name}"
    spec = importlib.util.spec_from_file_location(full, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[full] = module
    spec.loader.exec_module(module)
    return module


@torch.no_grad()
def make_lively(network: nn.Module, seed: int) -> None:
    """Random weights: variance is kept, rates of decay and steps are those of a trained network."""
    generator = torch.Generator().manual_seed(seed)
    for path, parameter in network.named_parameters():
        name = path.rpartition(".")[2]
        if name in ("A_log", "A_logs", "A_b_log"):
            parameter.uniform_(0.5, 4.0, generator=generator).log_()
        elif name == "dt_projs_bias" or path.endswith(("dt_proj.bias", "dt_proj_b.bias")):
            step = torch.empty(parameter.shape).uniform_(*_STEPS, generator=generator)
            parameter.copy_(step + torch.log(-torch.expm1(-step)))
        elif parameter.dim() == 1:
            parameter.normal_(generator=generator).mul_(0.3)
            if name == "weight" or name.startswith(("skip_scale", "D")):
                parameter.add_(1.0)
        else:
            fan_in = parameter.shape[-1] if name.endswith("_weight") else parameter[0].numel()
            gain = 2.0 if "x_proj" in path else 1.0
            parameter.normal_(generator=generator).mul_(gain * fan_in**-0.5)
