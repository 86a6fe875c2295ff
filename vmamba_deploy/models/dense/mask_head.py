"""The mask head (arXiv 1703.06870, section 3): which pixels of a box are the object's."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vmamba_deploy.models.dense.fpn import PyramidConv
from vmamba_deploy.models.dense.layers import Conv2d, Upsample2x

_CONVOLUTIONS = 4


class MaskHead(nn.Module):
    """Four convolutions, twice the size, and a logit for each class."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(PyramidConv(channels, channels, 3) for _ in range(_CONVOLUTIONS))
        self.upsample = Upsample2x(channels)
        self.conv_logits = Conv2d(channels, num_classes, 1)

    @property
    def dtype(self) -> torch.dtype:
        """Of the features that it takes."""
        return self.upsample.weight.dtype

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """The logits of each box's own class.

        Args:
            features: [B * K, C, 14, 14].
            labels: [B, K] int64; below 0 is taken for 0.

        Returns:
            [B, K, 28, 28] float32.
        """
        x = features
        for conv in self.convs:
            x = F.relu(conv(x))
        logits: Tensor = self.conv_logits(F.relu(self.upsample(x)))
        channel = labels.clamp(min=0).reshape(-1, 1, 1, 1).expand(-1, 1, *logits.shape[2:])
        return logits.gather(1, channel).reshape(*labels.shape, *logits.shape[2:])
