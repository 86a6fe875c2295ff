"""A model that takes camera bytes: uint8 NHWC RGB in, the normalisation baked into the graph."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


class WithPreprocessing(nn.Module):
    """Normalise [B,H,W,3] uint8 RGB to the [B,3,H,W] float32 that `model` expects, and call it.

    Computes (pixel / 255 - mean) / std as one multiply and one add per channel. Resizing and
    cropping stay with the caller: they depend on the size of each image.
    """

    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(self, model: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.model = model
        mean_t, std_t = torch.tensor(mean), torch.tensor(std)
        self.register_buffer("scale", 1.0 / (255.0 * std_t))
        self.register_buffer("shift", -mean_t / std_t)

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Map pixel_values [B,H,W,3] uint8 to logits [B,num_classes] float32."""
        normalised = pixel_values.to(torch.float32) * self.scale + self.shift
        logits: torch.Tensor = self.model(normalised.permute(0, 3, 1, 2))
        return logits
