"""What a file computes, as a module: a task's method, behind the normalisation where asked for."""

from __future__ import annotations

import torch
from torch import nn

from vmamba_deploy.preprocessing import Preprocessing


class Deployable(nn.Module):
    """Calls one method of a network, on camera bytes where the normalisation is in the graph.

    Then [B,H,W,C] uint8 become the [B,C,H,W] float32 that the network expects as
    (pixel / 255 - mean) / std, one multiply and one add per channel. Resizing and cropping stay
    with the caller: they depend on the size of each image.

    Args:
        model: the network.
        method: of the network, called with pixel_values.
        normalisation: mean and std; None takes pixel_values as they are.
    """

    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(self, model: nn.Module, method: str, normalisation: Preprocessing | None) -> None:
        super().__init__()
        self.model, self._method = model, method
        self.takes_bytes = normalisation is not None
        if normalisation is not None:
            mean, std = torch.tensor(normalisation.mean), torch.tensor(normalisation.std)
            self.register_buffer("scale", 1.0 / (255.0 * std))
            self.register_buffer("shift", -mean / std)

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor | list[torch.Tensor]:
        """Map pixel_values to what the method gives: a tensor or a list of them."""
        if self.takes_bytes:
            normalised = pixel_values.to(torch.float32) * self.scale + self.shift
            pixel_values = normalised.permute(0, 3, 1, 2)
        if self._method == "forward":
            given = self.model(pixel_values)  # so that nodes are named after `model`'s own scope
        else:
            given = getattr(self.model, self._method)(pixel_values)
        outputs: torch.Tensor | list[torch.Tensor] = given
        return outputs
