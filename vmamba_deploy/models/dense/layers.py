"""Layers of the heads, on maps [B, C, H, W]; each computes in the dtype of its weight."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vmamba_deploy.models.vmamba.layers.casting import cast, convolve, emulates_half

_EPSILON = 1e-5


class Conv2d(nn.Conv2d):
    """Convolution of stride 1 that keeps the map's size."""

    if TYPE_CHECKING:

        def __call__(self, x: Tensor) -> Tensor:
            """Apply the layer."""

    def __init__(self, channels: int, out_channels: int, side: int, bias: bool = True) -> None:
        super().__init__(channels, out_channels, side, padding=side // 2, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve [B, C, H, W] to [B, C', H, W]."""
        return convolve(self, x)


class Upsample2x(nn.ConvTranspose2d):
    """Transposed convolution of kernel 2 and stride 2: every pixel becomes a square of four."""

    if TYPE_CHECKING:

        def __call__(self, x: Tensor) -> Tensor:
            """Apply the layer."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, kernel_size=2, stride=2)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Map [B, C, H, W] to [B, C, 2H, 2W]."""
        assert self.bias is not None
        x, weight, bias = cast(x, self.weight.dtype), self.weight, self.bias
        if emulates_half(weight):
            wide = F.conv_transpose2d(x.float(), weight.float(), bias.float(), stride=2)
            return wide.to(weight.dtype)
        return F.conv_transpose2d(x, weight, bias, stride=2)


class BatchNorm(nn.Module):
    """Batch normalisation by the statistics of training, without the counter of its batches."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))
        self.register_buffer("running_mean", torch.empty(channels))
        self.register_buffer("running_var", torch.empty(channels))

    def scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """Per channel, [C] each: what a value is multiplied by, and what is added then."""
        scale = self.weight / torch.sqrt(self.running_var + _EPSILON)
        return scale, self.bias - self.running_mean * scale

    def forward(self, x: Tensor) -> Tensor:
        """Normalise [B, C, H, W]."""
        scale, shift = self.scale_and_shift()
        return x * scale[:, None, None] + shift[:, None, None]


class ConvNormReLU(nn.Module):
    """Convolution, batch normalisation, ReLU."""

    if TYPE_CHECKING:

        def __call__(self, x: Tensor) -> Tensor:
            """Apply the layers."""

    def __init__(self, channels: int, out_channels: int, side: int) -> None:
        super().__init__()
        self.conv = Conv2d(channels, out_channels, side, bias=False)
        self.bn: nn.Module = BatchNorm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to [B, C', H, W]."""
        return F.relu(self.bn(self.conv(x)))

    @torch.no_grad()
    def fold(self) -> None:
        """Put the normalisation into the convolution: one product and one sum for each channel."""
        if not isinstance(self.bn, BatchNorm):
            return
        scale, shift = self.bn.scale_and_shift()
        self.conv.weight.mul_(scale[:, None, None, None])
        self.conv.bias = nn.Parameter(shift.clone())
        self.bn = nn.Identity()
