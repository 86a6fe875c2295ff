"""Layers that bring their input to the dtype they compute in.

Precision thus follows from the weights alone: convert a layer's weights and the layer computes in
their dtype, whatever arrives. The casts vanish where the dtypes agree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def cast(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Return x in dtype, itself if it is already (so that an exported graph has no empty cast)."""
    return x if x.dtype == dtype else x.to(dtype)


def emulates_half(weight: Tensor) -> bool:
    """Whether a product with this weight is computed in float32 and rounded once.

    Most CPUs have no half precision arithmetic, and PyTorch then takes seconds per image. Products
    of half precision numbers accumulated in float32 and rounded once are also what a GPU's tensor
    cores compute. A traced graph keeps its half precision layers.
    """
    half = weight.dtype in (torch.float16, torch.bfloat16)
    return half and weight.device.type == "cpu" and not torch.compiler.is_compiling()


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Linear map of the last axis, [..., I] by [O, I] to [..., O], in the dtype of its weight."""
    x = cast(x, weight.dtype)
    if emulates_half(weight):
        wide_bias = None if bias is None else bias.float()
        return F.linear(x.float(), weight.float(), wide_bias).to(weight.dtype)
    return F.linear(x, weight, bias)


class Linear(nn.Linear):
    """Linear layer over the last axis that computes in the dtype of its weight."""

    if TYPE_CHECKING:

        def __call__(self, x: Tensor) -> Tensor:
            """Apply the layer."""

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., in_features] to [..., out_features]."""
        return linear(x, self.weight, self.bias)


class LayerNorm(nn.LayerNorm):
    """LayerNorm over the last axis that computes in the dtype of its weight, float32."""

    if TYPE_CHECKING:

        def __call__(self, x: Tensor) -> Tensor:
            """Apply the layer."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-5)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise [..., C]."""
        return super().forward(cast(x, self.weight.dtype))


class Conv2d(nn.Conv2d):
    """Convolution of a channels-last map, [B, H, W, C], that computes in its weight's dtype.

    The permuted tensor is what PyTorch calls the channels_last memory format: nothing is copied.
    """

    if TYPE_CHECKING:

        def __call__(self, x: Tensor) -> Tensor:
            """Apply the layer."""

    def forward(self, x: Tensor) -> Tensor:
        """Convolve [B, H, W, C]."""
        return self.forward_image(x.permute(0, 3, 1, 2))

    def forward_image(self, image: Tensor) -> Tensor:
        """Convolve [B, C, H, W] to [B, H', W', C']."""
        return convolve(self, image).permute(0, 2, 3, 1)


def convolve(layer: nn.Conv2d, image: Tensor) -> Tensor:
    """Convolve [B, C, H, W] to [B, C', H', W'] in the dtype of the layer's weight."""
    weight, bias = layer.weight, layer.bias
    image = cast(image, weight.dtype)
    if emulates_half(weight):
        wide_bias = None if bias is None else bias.float()
        wide: Tensor = layer._conv_forward(image.float(), weight.float(), wide_bias)
        return wide.to(weight.dtype)
    y: Tensor = layer._conv_forward(image, weight, bias)  # under autocast in its dtype
    return y
