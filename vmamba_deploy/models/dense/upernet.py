"""UperNet (arXiv 1807.10221, section 3): a pooling and a feature pyramid, classes of pixels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vmamba_deploy.models.dense.config import UperNetConfig
from vmamba_deploy.models.dense.layers import Conv2d, ConvNormReLU
from vmamba_deploy.models.dense.network import DenseNetwork
from vmamba_deploy.models.dense.resizing import (
    average_pooled,
    resize_bilinear,
    size_of,
    spread_bilinear,
)
from vmamba_deploy.models.network import Network, pixel_labels
from vmamba_deploy.tasks import SEGMENTATION
from vmamba_deploy.tasks.segmentation import HEAD_LOGITS, LABELS

POOL_CELLS = (1, 2, 3, 6)
"""Windows a side of the pooling pyramid's levels."""


class UperHead(nn.Module):
    """From a backbone's four maps to logits at the first one's size.

    Args:
        dims: channels of the four maps.
        channels: of the head's own.
        num_classes: of the logits.
    """

    def __init__(self, dims: Sequence[int], channels: int, num_classes: int) -> None:
        super().__init__()
        *lower, last = dims
        # The checkpoints name a pooling layer, which has no weights, before each convolution.
        self.psp_modules = nn.ModuleList(
            nn.Sequential(nn.Identity(), ConvNormReLU(last, channels, 1)) for _ in POOL_CELLS
        )
        self.bottleneck = ConvNormReLU(last + len(POOL_CELLS) * channels, channels, 3)
        self.lateral_convs = nn.ModuleList(ConvNormReLU(dim, channels, 1) for dim in lower)
        self.fpn_convs = nn.ModuleList(ConvNormReLU(channels, channels, 3) for _ in lower)
        self.fpn_bottleneck = ConvNormReLU(len(dims) * channels, channels, 3)
        self.conv_seg = Conv2d(channels, num_classes, 1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Map [B, C, H, W] of four strides to logits [B, num_classes, H, W] of the first."""
        *lower, last = maps
        laterals = [conv(x) for conv, x in zip(self.lateral_convs, lower, strict=True)]
        laterals.append(self.pooled_pyramid(last))
        for level in range(len(laterals) - 1, 0, -1):
            below = laterals[level - 1]
            laterals[level - 1] = below + resize_bilinear(laterals[level], size_of(below))
        merged = [conv(x) for conv, x in zip(self.fpn_convs, laterals[:-1], strict=True)]
        merged.append(laterals[-1])
        size = size_of(merged[0])
        resized = [merged[0], *(resize_bilinear(x, size) for x in merged[1:])]
        logits: Tensor = self.conv_seg(self.fpn_bottleneck(torch.cat(resized, dim=1)))
        return logits

    def pooled_pyramid(self, x: Tensor) -> Tensor:
        """The last map and its averages over windows of four sizes, [B, channels, H, W]."""
        pooled = [
            spread_bilinear(module(average_pooled(x, cells)), size_of(x))
            for cells, module in zip(POOL_CELLS, self.psp_modules, strict=True)
        ]
        return self.bottleneck(torch.cat([x, *pooled], dim=1))


class UperNet(DenseNetwork):
    """UperNet for inference; state-dict names are those of the public checkpoints."""

    config: UperNetConfig

    def __init__(self, config: UperNetConfig, backbone: Network) -> None:
        super().__init__(SEGMENTATION, backbone)
        self.config = config
        self.decode_head = UperHead(config.backbone.dims, config.channels, config.num_classes)

    def forward(self, pixel_values: Tensor, sizes: Tensor | None = None) -> dict[str, Tensor]:
        """Find the class of every pixel.

        Args:
            pixel_values: [B, I, H, W], normalised.
            sizes: as a detector's, so that both are called alike; padding is labelled too.

        Returns:
            `labels` [B, H, W] int32: where the logits, resized to the input's size, are largest;
            where `optional_outputs` has them, also the head's own `logits` [B, num_classes, h, w]
            float32, 1/4 of the size.
        """
        logits = self.head_logits(pixel_values)
        resized = resize_bilinear(logits, size_of(pixel_values))
        outputs = {LABELS.name: pixel_labels(resized)}
        asked = HEAD_LOGITS.name in self.optional_outputs
        return outputs | ({HEAD_LOGITS.name: logits} if asked else {})

    def head_logits(self, pixel_values: Tensor) -> Tensor:
        """Logits [B, num_classes, h, w] of images [B, I, H, W], at 1/4 of the size."""
        logits: Tensor = self.decode_head(self.forward_features(pixel_values))
        return logits
