"""Downsampling between stages: [B, H, W, C] to [B, H/2, W/2, 2C], odd sides rounded as they say."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vmamba_deploy.models.vmamba.config import DownsampleKind
from vmamba_deploy.models.vmamba.layers.casting import Conv2d, LayerNorm, Linear


class PatchMerging(nn.Module):
    """Each 2x2 pixels become one pixel of four times the channels, normalised and projected."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = LayerNorm(4 * channels)
        self.reduction = Linear(4 * channels, 2 * channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, H, W, C] to [B, ceil(H/2), ceil(W/2), 2C]; an odd side gets a row of zeros."""
        batch, height, width, channels = x.shape
        half_height, half_width = (height + 1) // 2, (width + 1) // 2
        pad_height, pad_width = 2 * half_height - height, 2 * half_width - width
        # Branch only where the size is a constant: a traced graph then takes any size, and one of
        # constant even size has no empty padding in it.
        if not (_is_zero(pad_height) and _is_zero(pad_width)):
            x = F.pad(x, (0, 0, 0, pad_width, 0, pad_height))
        x = x.reshape(batch, half_height, 2, half_width, 2, channels)
        # Channel groups by (h, w): (even, even), (odd, even), (even, odd), (odd, odd).
        x = x.permute(0, 1, 3, 4, 2, 5).reshape(batch, half_height, half_width, 4 * channels)
        return self.reduction(self.norm(x))


def _is_zero(size: int | torch.SymInt) -> bool:
    return not isinstance(size, torch.SymInt) and size == 0


class ConvDownsample(nn.Sequential):
    """A convolution of stride 2, normalised; at the positions that the checkpoints name.

    3x3 kernels reach over the edge, so that an odd side is rounded up; 2x2 kernels round it down.
    """

    def __init__(self, channels: int, kernel_size: int) -> None:
        super().__init__(
            nn.Identity(),
            Conv2d(channels, 2 * channels, kernel_size, stride=2, padding=(kernel_size - 1) // 2),
            nn.Identity(),
            LayerNorm(2 * channels),
        )


def build_downsample(kind: DownsampleKind, channels: int) -> nn.Module:
    """Build the downsampling layer of that kind, for C = channels."""
    if kind is DownsampleKind.PATCH_MERGING:
        return PatchMerging(channels)
    return ConvDownsample(channels, kernel_size=3 if kind is DownsampleKind.CONV else 2)
