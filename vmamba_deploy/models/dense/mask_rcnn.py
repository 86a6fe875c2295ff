"""Mask R-CNN (arXiv 1703.06870) over a feature pyramid."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vmamba_deploy.models.dense.box_head import BoxHead
from vmamba_deploy.models.dense.boxes import decode, picture_limits
from vmamba_deploy.models.dense.config import DetectorConfig
from vmamba_deploy.models.dense.fpn import FPN
from vmamba_deploy.models.dense.mask_head import MaskHead
from vmamba_deploy.models.dense.network import DenseNetwork
from vmamba_deploy.models.dense.roi_features import MASK_CELLS, roi_features
from vmamba_deploy.models.dense.rpn import Proposals, RPNHead
from vmamba_deploy.models.dense.selection import Detections, select
from vmamba_deploy.models.network import Network
from vmamba_deploy.tasks import DETECTION

STDS = (0.1, 0.1, 0.2, 0.2)
"""Of the box head's deltas."""


class RoIHead(nn.Module):
    """From proposals to detections, and their masks.

    Args:
        config: of the network.
    """

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        channels, classes = config.channels, config.num_classes
        self.bbox_head = BoxHead(channels, config.fc_channels, classes, delta_classes=classes)
        self.mask_head = MaskHead(channels, classes)

    def forward(
        self, pyramid: Sequence[Tensor], proposals: Proposals, limits: Tensor
    ) -> dict[str, Tensor]:
        """The outputs of the task, by name.

        Args:
            pyramid: maps [B, C, H, W] of strides 4, 8, 16 and 32.
            proposals: of the same pictures.
            limits: [B, 4], see `picture_limits`.
        """
        logits, deltas = self.bbox_head(pyramid, proposals.boxes)
        boxes = decode(proposals.boxes[:, :, None], deltas, STDS, limits)
        found = select(boxes, class_scores(logits, proposals.valid))
        features = roi_features(pyramid, found.boxes, MASK_CELLS, self.mask_head.dtype)
        masks = torch.sigmoid(self.mask_head(features, found.labels))
        return task_outputs(found, masks, proposals)


def class_scores(logits: Tensor, valid: Tensor) -> Tensor:
    """Probabilities [B, R, K] of logits [B, R, K + 1], the background being the last class.

    Where `valid` [B, R] is false they are 0.
    """
    scores = torch.softmax(logits, dim=-1)[..., :-1]
    return torch.where(valid[..., None], scores, torch.zeros_like(scores))


def task_outputs(found: Detections, masks: Tensor, proposals: Proposals) -> dict[str, Tensor]:
    """The outputs of `DETECTION`, in its order, from what was found and its masks [B,100,28,28]."""
    return {
        "boxes": found.boxes,
        "scores": found.scores,
        "labels": found.labels.to(torch.int32),
        "count": found.valid.sum(dim=1).to(torch.int32),
        "masks": torch.where(found.valid[..., None, None], masks, torch.zeros_like(masks)),
        "exact": (found.exact & proposals.exact).to(torch.int32),
    }


class MaskRCNN(DenseNetwork):
    """Mask R-CNN for inference; state-dict names are those of the public checkpoints."""

    config: DetectorConfig
    roi_head_type: type[nn.Module] = RoIHead

    def __init__(self, config: DetectorConfig, backbone: Network) -> None:
        super().__init__(DETECTION, backbone)
        self.config = config
        self.neck = FPN(config.backbone.dims, config.channels)
        self.rpn_head = RPNHead(config.channels)
        self.roi_head = self.roi_head_type(config)

    def forward(self, pixel_values: Tensor, sizes: Tensor | None = None) -> dict[str, Tensor]:
        """Find objects.

        Args:
            pixel_values: [B, I, H, W], normalised, then padded with zeros at the right and at the
                bottom to multiples of 32.
            sizes: [B, 2] int64, height and width before the padding; None: the whole map.

        Returns:
            `boxes`, `scores`, `labels`, `count`, `masks` and `exact`, see
            `vmamba_deploy.tasks.detection`.
        """
        limits = picture_limits(pixel_values, sizes)
        pyramid = self.neck(self.forward_features(pixel_values))
        proposals = self.rpn_head(pyramid, limits)
        outputs: dict[str, Tensor] = self.roi_head(pyramid[:4], proposals, limits)
        return outputs
