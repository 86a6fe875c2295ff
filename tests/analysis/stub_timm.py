"""A module with the parts of timm's interface that are used, over small networks of real layers.

timm needs a torchvision that fits the machine's PyTorch, so most machines that test have neither.
"""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import nn

CONFIG = SimpleNamespace(mean=(0.5, 0.4, 0.3), std=(0.1, 0.2, 0.3), input_size=(3, 32, 32))


class Plain(nn.Module):
    """Takes images of every size."""

    pretrained_cfg = vars(CONFIG)

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 4, stride=4)
        self.norm = nn.GroupNorm(1, 8)
        self.head = nn.Linear(8, 10)

    def forward_intermediates(self, pixels, *, indices, norm, intermediates_only):
        assert (indices, norm, intermediates_only) == (1, False, True)
        return [self.stem(pixels)]

    def forward(self, pixels):
        return self.head(self.norm(self.stem(pixels)).mean(dim=(2, 3)))


class Windowed(Plain):
    """Takes images of one size, which is told, as is the size of its windows."""

    def __init__(self) -> None:
        super().__init__()
        self.size, self.window = (32, 32), 7

    def set_input_size(self, img_size, window_size=None):
        if img_size[0] % 4:
            raise ValueError("must be a multiple of 4")
        self.size = img_size
        self.window = window_size or img_size[0] // 4 // 8

    def forward(self, pixels):
        assert pixels.shape[2:] == torch.Size(self.size)
        return super().forward(pixels)


class Headless(nn.Module):
    pretrained_cfg = vars(CONFIG)


_MODELS = {"plain": Plain, "windowed": Windowed, "headless": Headless}


def is_model(name):
    return name in _MODELS


def create_model(name, *, pretrained):
    assert not pretrained
    return _MODELS[name]()


def get_pretrained_cfg(name):
    return CONFIG if name == "plain" else None
