"""Stems: from an image [B, I, H, W] to the first feature map [B, H/4, W/4, C]."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vmamba_deploy.errors import UsageError
from vmamba_deploy.models.vmamba.config import PATCH_PIXELS, StemKind
from vmamba_deploy.models.vmamba.layers.casting import Conv2d, LayerNorm


class Stem(nn.Sequential):
    """A convolution of the image, then layers on channels-last maps.

    The positions (0, 2, 5, 7) are those that the public checkpoints name.
    """

    def forward(self, image: Tensor) -> Tensor:
        """Map [B, I, H, W] to [B, H/4, W/4, C]."""
        first, *others = self
        assert isinstance(first, Conv2d)
        x = first.forward_image(image)
        for layer in others:
            x = layer(x)
        return x


def build_stem(kind: StemKind, in_chans: int, channels: int) -> Stem:
    """Build the stem of that kind."""
    if kind is StemKind.PATCH:
        return Stem(
            Conv2d(in_chans, channels, kernel_size=4, stride=4), nn.Identity(), LayerNorm(channels)
        )
    half = channels // 2
    return Stem(
        Conv2d(in_chans, half, kernel_size=3, stride=2, padding=1),
        nn.Identity(),
        LayerNorm(half),
        nn.Identity(),
        nn.GELU(),
        Conv2d(half, channels, kernel_size=3, stride=2, padding=1),
        nn.Identity(),
        LayerNorm(channels),
    )


class PositionEmbedding(nn.Module):
    """A learned map that is added to the stem's, of one size."""

    def __init__(self, channels: int, rows: int, columns: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(1, channels, rows, columns))

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, rows, columns, C] to the same shape.

        Raises:
            UsageError: x has another size.
        """
        embedding = self.weight.permute(0, 2, 3, 1)
        if x.shape[1:3] != embedding.shape[1:3]:
            height, width = (side * PATCH_PIXELS for side in embedding.shape[1:3])
            raise UsageError(
                f"The network takes images of {height}x{width} pixels alone: it has a position "
                "embedding of that size."
            )
        return x + embedding
