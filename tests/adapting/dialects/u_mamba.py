"""U-Mamba: a convolutional U whose stages end in mamba_ssm's `Mamba` over the flattened map."""

from __future__ import annotations

import torch
from mamba_ssm import Mamba
from torch import nn

WIDTH, CLASSES = 8, 2


class MambaLayer(nn.Module):
    def __init__(self, dim, d_state=16, d_conv=4, expand=2):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.mamba = Mamba(d_model=dim, d_state=d_state, d_conv=d_conv, expand=expand)

    def forward(self, x):
        batch, channels = x.shape[:2]
        tokens = x.reshape(batch, channels, -1).transpose(-1, -2)
        mixed = self.mamba(self.norm(tokens))
        return mixed.transpose(-1, -2).reshape(x.shape)


def convolution(in_channels, out_channels, stride=1):
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1),
        nn.InstanceNorm2d(out_channels, affine=True),
        nn.LeakyReLU(),
    )


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = convolution(1, WIDTH)
        self.stage0 = nn.Sequential(convolution(WIDTH, WIDTH, 2), MambaLayer(WIDTH))
        self.stage1 = nn.Sequential(convolution(WIDTH, 2 * WIDTH, 2), MambaLayer(2 * WIDTH))
        self.up = nn.ConvTranspose2d(2 * WIDTH, WIDTH, 2, stride=2)
        self.decoder = convolution(2 * WIDTH, WIDTH)
        self.head = nn.ConvTranspose2d(WIDTH, CLASSES, 2, stride=2)

    def forward(self, image):
        skip = self.stage0(self.stem(image))
        x = torch.cat([self.up(self.stage1(skip)), skip], dim=1)
        return self.head(self.decoder(x))


def build():
    return Network()


def example():
    return torch.randn(1, 1, 24, 20)
