"""Downsampling between stages: [B, H, W, C] to [B, ceil(H/2), ceil(W/2), 2C]."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vmamba_deploy.models.config import DownsampleKind
from vmamba_deploy.models.layers.casting import Conv2d, LayerNorm, Linear


class PatchMerging(nn.Module):
    """Each 2x2 pixels become one pixel of four times the channels, normalised and projected."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = LayerNorm(4 * channels)
        self.reduction = Linear(4 * channels, 2 * channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, H, W, C] to [B, ceil(H/2), ceil(W/2), 2C]; an odd side gets a row of zeros."""
        # Padding by arithmetic, not by a branch: the exported graph then takes any size.
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        # (h, w): (even, even), (odd, even), (even, odd), (odd, odd)
        corners = [x[:, h::2, w::2] for w in (0, 1) for h in (0, 1)]
        return self.reduction(self.norm(torch.cat(corners, dim=-1)))


class ConvDownsample(nn.Sequential):
    """A 3x3 convolution of stride 2, normalised; at the positions that the checkpoints name."""

    def __init__(self, channels: int) -> None:
        super().__init__(
            nn.Identity(),
            Conv2d(channels, 2 * channels, kernel_size=3, stride=2, padding=1),
            nn.Identity(),
            LayerNorm(2 * channels),
        )


def build_downsample(kind: DownsampleKind, channels: int) -> nn.Module:
    """Build the downsampling layer of that kind, for C = channels."""
    return (
        PatchMerging(channels) if kind is DownsampleKind.PATCH_MERGING else ConvDownsample(channels)
    )
