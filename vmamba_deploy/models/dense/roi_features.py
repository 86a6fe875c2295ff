"""Features of boxes, from the level of the pyramid that fits their size."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vmamba_deploy.ops.op import BFLOAT16, FLOAT16, FLOAT32

BOX_CELLS = 7
MASK_CELLS = 14
_CODES = {torch.float32: FLOAT32, torch.float16: FLOAT16, torch.bfloat16: BFLOAT16}


def roi_features(
    pyramid: Sequence[Tensor], boxes: Tensor, cells: int, dtype: torch.dtype
) -> Tensor:
    """Features [B * K, C, cells, cells] of boxes, by `vmamba::MultiLevelRoiAlign`.

    Args:
        pyramid: maps [B, C, H, W] of strides 4, 8, 16 and 32; further ones are not looked at.
        boxes: [B, K, 4] float32; an empty one has zeros.
        cells: of a side.
        dtype: of the result.
    """
    from vmamba_deploy.ops.multi_level_roi_align.torch_op import multi_level_roi_align

    p2, p3, p4, p5 = pyramid[:4]
    features = multi_level_roi_align(p2, p3, p4, p5, boxes, cells, _CODES[dtype])
    return features.flatten(0, 1)
