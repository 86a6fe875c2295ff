"""Swin-UMamba: VMamba's first block on the way down, convolutions with skips on the way up.

As in inference: the maps of the coarser scales, which training supervises, are left out.
"""

from __future__ import annotations

import torch
from torch import nn

from tests.adapting.dialects.vanilla_ss2d import VSSBlock

WIDTH, CLASSES = 8, 3


class PatchMerging2D(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm = nn.LayerNorm(4 * dim)
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x):
        corners = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        return self.reduction(self.norm(torch.cat(corners, dim=-1)))


class ResidualBlock(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.norm1 = nn.InstanceNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.norm2 = nn.InstanceNorm2d(out_channels)
        self.conv3 = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.act = nn.LeakyReLU(0.01)

    def forward(self, x):
        y = self.norm2(self.conv2(self.act(self.norm1(self.conv1(x)))))
        return self.act(y + self.conv3(x))


class UpBlock(nn.Module):
    def __init__(self, in_channels, skip_channels, out_channels):
        super().__init__()
        self.transp_conv = nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2, bias=False)
        self.conv_block = ResidualBlock(out_channels + skip_channels, out_channels)

    def forward(self, x, skip):
        return self.conv_block(torch.cat([self.transp_conv(x), skip], dim=1))


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, WIDTH, 3, padding=1)
        self.patch_embed = nn.Conv2d(WIDTH, WIDTH, 2, stride=2)
        self.norm = nn.LayerNorm(WIDTH)
        self.stage0 = nn.Sequential(VSSBlock(WIDTH), VSSBlock(WIDTH))
        self.merge = PatchMerging2D(WIDTH)
        self.stage1 = VSSBlock(2 * WIDTH)
        self.up1 = UpBlock(2 * WIDTH, WIDTH, WIDTH)
        self.up0 = UpBlock(WIDTH, WIDTH, WIDTH)
        self.out = nn.Conv2d(WIDTH, CLASSES, 1)

    def forward(self, image):
        stem = self.stem(image)
        fine = self.stage0(self.norm(self.patch_embed(stem).permute(0, 2, 3, 1)))
        coarse = self.stage1(self.merge(fine))
        half = self.up1(coarse.permute(0, 3, 1, 2), fine.permute(0, 3, 1, 2))
        return self.out(self.up0(half, stem))


def build():
    return Network()


def example():
    return torch.randn(2, 1, 24, 32)
