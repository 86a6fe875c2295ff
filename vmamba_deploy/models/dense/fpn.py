"""The feature pyramid network (arXiv 1612.03144, section 3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from vmamba_deploy.models.dense.layers import Conv2d
from vmamba_deploy.models.dense.resizing import resize_nearest, size_of


class PyramidConv(nn.Module):
    """A convolution, under the name that the checkpoints give it."""

    def __init__(self, channels: int, out_channels: int, side: int) -> None:
        super().__init__()
        self.conv = Conv2d(channels, out_channels, side)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to [B, C', H, W]."""
        return self.conv(x)


class FPN(nn.Module):
    """Maps of equal channels, each with what the coarser ones know.

    Args:
        dims: channels of the backbone's maps.
        channels: of the pyramid's.
    """

    def __init__(self, dims: Sequence[int], channels: int) -> None:
        super().__init__()
        self.lateral_convs = nn.ModuleList(PyramidConv(dim, channels, 1) for dim in dims)
        self.fpn_convs = nn.ModuleList(PyramidConv(channels, channels, 3) for _ in dims)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Map four maps to five [B, channels, H, W], of strides 4, 8, 16, 32 and 64."""
        laterals = [conv(x) for conv, x in zip(self.lateral_convs, maps, strict=True)]
        for level in range(len(laterals) - 1, 0, -1):
            below = laterals[level - 1]
            laterals[level - 1] = below + resize_nearest(laterals[level], size_of(below))
        pyramid = [conv(x) for conv, x in zip(self.fpn_convs, laterals, strict=True)]
        return [*pyramid, F.max_pool2d(pyramid[-1], kernel_size=1, stride=2)]
