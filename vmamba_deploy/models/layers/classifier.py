"""The classification head."""

from __future__ import annotations

from torch import Tensor, nn

from vmamba_deploy.models.layers.casting import LayerNorm, Linear


class Classifier(nn.Module):
    """LayerNorm, mean over space, linear."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.norm = LayerNorm(channels)
        self.head = Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, H, W, C] to logits [B, num_classes]."""
        return self.head(self.norm(x).mean(dim=(1, 2)))
