"""Cascade Mask R-CNN (arXiv 1712.00726): three box heads, each from the boxes of the one before."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vmamba_deploy.models.dense.box_head import BoxHead
from vmamba_deploy.models.dense.boxes import decode
from vmamba_deploy.models.dense.config import DetectorConfig
from vmamba_deploy.models.dense.mask_head import MaskHead
from vmamba_deploy.models.dense.mask_rcnn import MaskRCNN, class_scores, task_outputs
from vmamba_deploy.models.dense.roi_features import MASK_CELLS, roi_features
from vmamba_deploy.models.dense.rpn import Proposals
from vmamba_deploy.models.dense.selection import select

STAGE_STDS = ((0.1, 0.1, 0.2, 0.2), (0.05, 0.05, 0.1, 0.1), (0.033, 0.033, 0.067, 0.067))
"""Of each box head's deltas."""


class CascadeRoIHead(nn.Module):
    """From proposals to detections in three stages; every box is one for all classes.

    Args:
        config: of the network.
    """

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        channels, classes = config.channels, config.num_classes
        self.bbox_head = nn.ModuleList(
            BoxHead(channels, config.fc_channels, classes, delta_classes=1) for _ in STAGE_STDS
        )
        self.mask_head = nn.ModuleList(MaskHead(channels, classes) for _ in STAGE_STDS)

    def forward(
        self, pyramid: Sequence[Tensor], proposals: Proposals, limits: Tensor
    ) -> dict[str, Tensor]:
        """The outputs of the task, by name; see `mask_rcnn.RoIHead`."""
        boxes, logits = proposals.boxes, []
        for head, stds in zip(self.bbox_head, STAGE_STDS, strict=True):
            stage_logits, deltas = head(pyramid, boxes)
            logits.append(stage_logits)
            boxes = decode(boxes, deltas[:, :, 0], stds, limits)
        mean_logits = torch.stack(logits).mean(dim=0)
        found = select(boxes[:, :, None], class_scores(mean_logits, proposals.valid))
        first = self.mask_head[0]
        assert isinstance(first, MaskHead)
        features = roi_features(pyramid, found.boxes, MASK_CELLS, first.dtype)
        masks = [torch.sigmoid(head(features, found.labels)) for head in self.mask_head]
        return task_outputs(found, torch.stack(masks).mean(dim=0), proposals)


class CascadeMaskRCNN(MaskRCNN):
    """Cascade Mask R-CNN for inference; state-dict names are those of the public checkpoints."""

    roi_head_type = CascadeRoIHead
