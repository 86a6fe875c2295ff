"""The region proposal network (arXiv 1506.01497, section 3) over a feature pyramid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vmamba_deploy.models.dense.boxes import chosen, decode, has_area, zero_unless
from vmamba_deploy.models.dense.layers import Conv2d
from vmamba_deploy.models.dense.suppression import apart, suppress

STRIDES = (4, 8, 16, 32, 64)
RATIOS = (0.5, 1.0, 2.0)
"""Height over width of a pixel's anchors, in their order."""
ANCHOR_SCALE = 8
"""Side of a level's square anchor, in strides."""
MAX_PROPOSALS = 1000
"""Of a level before suppression, and of a picture after it."""
MAX_OVERLAP = 0.7
_STDS = (1.0, 1.0, 1.0, 1.0)
LOWEST = torch.finfo(torch.float32).min


class Proposals(NamedTuple):
    """Where objects may be.

    Attributes:
        boxes: [B, 1000, 4] by falling score; zeros where there is none.
        valid: [B, 1000] bool: which are proposals.
        exact: [B] bool: suppression was followed to its end.
    """

    boxes: Tensor
    valid: Tensor
    exact: Tensor


class RPNHead(nn.Module):
    """A logit and four deltas for each anchor, and the best of them as proposals."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.rpn_conv = Conv2d(channels, channels, 3)
        self.rpn_cls = Conv2d(channels, len(RATIOS), 1)
        self.rpn_reg = Conv2d(channels, 4 * len(RATIOS), 1)

    def forward(self, pyramid: Sequence[Tensor], limits: Tensor) -> Proposals:
        """Propose boxes.

        Args:
            pyramid: five maps [B, C, H, W], of strides 4, 8, 16, 32 and 64.
            limits: [B, 4], see `picture_limits`.
        """
        best = [
            self._best_of_level(x, stride, limits)
            for x, stride in zip(pyramid, STRIDES, strict=True)
        ]
        boxes, logits = (torch.stack(parts, dim=1) for parts in zip(*best, strict=True))
        valid = (logits > LOWEST) & has_area(boxes)
        boxes = zero_unless(valid, boxes)
        levels = torch.arange(len(STRIDES), device=boxes.device)[:, None]
        moved = apart(boxes, levels, boxes.flatten(1).amax(dim=1))
        kept, settled = suppress(moved.flatten(0, 1), MAX_OVERLAP)
        kept = kept.reshape(valid.shape) & valid
        scores = torch.where(kept, logits, torch.full_like(logits, LOWEST)).flatten(1)
        top, indices = scores.topk(MAX_PROPOSALS, dim=1)
        proposed = top > LOWEST
        return Proposals(
            zero_unless(proposed, chosen(boxes.flatten(1, 2), indices)),
            proposed,
            settled.reshape(-1, len(STRIDES)).all(dim=1),
        )

    def raw(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [B, 3, H, W] and deltas [B, 12, H, W] of a level's anchors, float32."""
        x = F.relu(self.rpn_conv(x))
        return self.rpn_cls(x), self.rpn_reg(x)

    def _best_of_level(self, x: Tensor, stride: int, limits: Tensor) -> tuple[Tensor, Tensor]:
        """Boxes [B, 1000, 4] and logits [B, 1000] by falling logit; `LOWEST` where none is left.

        The published networks order by the logit's sigmoid, which is 1 for many: among those any
        order is theirs.
        """
        logits, deltas = (part.permute(0, 2, 3, 1).flatten(1) for part in self.raw(x))
        filling = logits.new_full((1, MAX_PROPOSALS), LOWEST).expand(logits.shape[0], -1)
        logits, indices = torch.cat([logits, filling], dim=1).topk(MAX_PROPOSALS, dim=1)
        indices = torch.where(logits > LOWEST, indices, torch.zeros_like(indices))
        deltas = chosen(deltas.reshape(deltas.shape[0], -1, 4), indices)
        return decode(anchors_at(indices, x.shape[-1], stride), deltas, _STDS, limits), logits


def anchors_at(indices: Tensor, width: int, stride: int) -> Tensor:
    """The anchors [..., 4] at indices [...] into a level's anchors.

    They are numbered by row, then column, then ratio. A pixel's stand about its upper left corner.

    Args:
        indices: int64.
        width: of the level's map.
        stride: of the level.
    """
    pixel = torch.div(indices, len(RATIOS), rounding_mode="trunc")
    row = torch.div(pixel, width, rounding_mode="trunc")
    corner = torch.stack([pixel - row * width, row], dim=-1).to(torch.float32) * stride
    half_side = 0.5 * ANCHOR_SCALE * stride
    half_sides_by_ratio = indices.new_tensor(
        [[half_side / ratio**0.5, half_side * ratio**0.5] for ratio in RATIOS], dtype=torch.float32
    )
    half_sides = F.embedding(indices - pixel * len(RATIOS), half_sides_by_ratio)
    return torch.cat([corner - half_sides, corner + half_sides], dim=-1)
