"""Small networks in the place of those of papers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.compare.contenders import Contender
from benchmarks.compare.networks import Plain
from benchmarks.networks import REHEARSED, network
from vmamba_deploy.exporting.onnx_file import export_onnx
from vmamba_deploy.exporting.options import ExportOptions
from vmamba_deploy.models import FAMILIES, LoadedModel

SIDE, CLASSES, CHANNELS, PATCH = 32, 10, 16, 8


class Tokens(nn.Module):
    """Patches as a sequence, an MLP over it, a head: what a transformer has besides attention."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, CHANNELS, PATCH, PATCH)
        self.norm = nn.LayerNorm(CHANNELS)
        self.fc1, self.fc2 = nn.Linear(CHANNELS, 4 * CHANNELS), nn.Linear(4 * CHANNELS, CHANNELS)
        self.head = nn.Linear(CHANNELS, CLASSES)

    def forward(self, pixel_values: Tensor) -> Tensor:
        x = self.patches(pixel_values).flatten(2).transpose(1, 2)
        x = x + self.fc2(nn.functional.gelu(self.fc1(self.norm(x))))
        return self.head(x.mean(dim=1))


class Residual(nn.Module):
    """Convolutions with normalisations, and a sum of two of them."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(3, CHANNELS, 3, 2, 1, bias=False), nn.BatchNorm2d(CHANNELS), nn.ReLU()
        )
        self.second = nn.Sequential(
            nn.Conv2d(CHANNELS, CHANNELS, 3, 1, 1, bias=False), nn.BatchNorm2d(CHANNELS)
        )
        self.head = nn.Linear(CHANNELS, CLASSES)

    def forward(self, pixel_values: Tensor) -> Tensor:
        x = self.first(pixel_values)
        return self.head(torch.relu(x + self.second(x)).mean(dim=(2, 3)))


@dataclass(frozen=True)
class MicroVMamba:
    """The smallest VMamba, exported as the presets are."""

    def module(self, side: int) -> nn.Module:
        return network(REHEARSED, "cpu").eval()

    def write(self, path: Path, side: int) -> None:
        loaded = LoadedModel(self.module(side), FAMILIES["VMamba"], source="random", sha256="")
        export_onnx(loaded, path, ExportOptions(image_size=side))


def _seeded(make: type[nn.Module]) -> Plain:
    def made(_side: int) -> nn.Module:
        torch.manual_seed(0)
        return make()

    return Plain(made)


TOKENS = Contender("Tokens", "Tokens", _seeded(Tokens), 70.0, "a test", (SIDE, 2 * SIDE))
RESIDUAL = Contender(
    "Residual", "Residual", _seeded(Residual), 60.0, "a test", (SIDE,), int8="convolutions"
)
MICRO = Contender("VMamba-T", "VMamba", MicroVMamba(), 80.0, "a test", (SIDE,))
STAND_INS = {each.name: each for each in (TOKENS, RESIDUAL, MICRO)}
