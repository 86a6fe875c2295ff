"""The box head (arXiv 1612.03144, section 4.2): classes of a box, and where it really is."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vmamba_deploy.models.dense.roi_features import BOX_CELLS, roi_features
from vmamba_deploy.models.vmamba.layers.casting import Linear


class BoxHead(nn.Module):
    """Two shared layers, then logits and deltas.

    Args:
        channels: of the pyramid.
        fc_channels: of the shared layers.
        num_classes: without the background, which is the last of the logits.
        delta_classes: for how many classes there are deltas of their own; 1: the same for all.
    """

    def __init__(
        self, channels: int, fc_channels: int, num_classes: int, delta_classes: int
    ) -> None:
        super().__init__()
        features = channels * BOX_CELLS**2
        layers = [Linear(features, fc_channels), Linear(fc_channels, fc_channels)]
        self.shared_fcs = nn.ModuleList(layers)
        self.fc_cls = Linear(fc_channels, num_classes + 1)
        self.fc_reg = Linear(fc_channels, 4 * delta_classes)

    @property
    def dtype(self) -> torch.dtype:
        """Of the features that it takes."""
        first = self.shared_fcs[0]
        assert isinstance(first, Linear)
        return first.weight.dtype

    def forward(self, pyramid: Sequence[Tensor], boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Judge boxes.

        Args:
            pyramid: maps [B, C, H, W] of strides 4, 8, 16 and 32.
            boxes: [B, R, 4].

        Returns:
            Logits [B, R, num_classes + 1] and deltas [B, R, delta_classes, 4], float32.
        """
        x = roi_features(pyramid, boxes, BOX_CELLS, self.dtype).flatten(1)
        for layer in self.shared_fcs:
            x = F.relu(layer(x))
        logits, deltas = self.fc_cls(x), self.fc_reg(x)
        rows = boxes.shape[:2]
        return logits.reshape(*rows, -1), deltas.reshape(*rows, -1, 4)
