"""`torch.ops.vmamba.multi_level_roi_align`. Importing this module registers it."""

from __future__ import annotations

import torch
from torch import Tensor

from vmamba_deploy.ops.multi_level_roi_align.specification import MULTI_LEVEL_ROI_ALIGN
from vmamba_deploy.ops.multi_level_roi_align.torch_reference import multi_level_roi_align_reference
from vmamba_deploy.ops.torch_registration import register, unsupported_is_no_bug


def multi_level_roi_align(
    p2: Tensor,
    p3: Tensor,
    p4: Tensor,
    p5: Tensor,
    boxes: Tensor,
    output_size: int,
    out_dtype: int,
) -> Tensor:
    """Pool the features of each box from the map of its level (docs/multi_level_roi_align.md).

    The gradient is that of the maps; the boxes' is zero.

    Args:
        p2: [B, C, H2, W2] float32, float16 or bfloat16, CPU or CUDA: the map of stride 4.
        p3: [B, C, H3, W3], dtype of p2: stride 8.
        p4: [B, C, H4, W4], dtype of p2: stride 16.
        p5: [B, C, H5, W5], dtype of p2: stride 32.
        boxes: [B, K, 4] float32: x1, y1, x2, y2 in pixels of the network's input.
        output_size: S, 1 to 64.
        out_dtype: ONNX code of the result: 1 (float32) or the code of p2's dtype (10, 16).

    Returns:
        [B, K, C, S, S], contiguous, of `out_dtype`.

    Raises:
        ValueError: an input of a wrong shape, dtype or device; the message names it.
        EnvironmentProblem: the native library can neither be found nor built, or this machine
            cannot run the call.
    """
    with unsupported_is_no_bug():
        result: Tensor = torch.ops.vmamba.multi_level_roi_align(
            p2, p3, p4, p5, boxes, output_size, out_dtype
        )
    return result


register(MULTI_LEVEL_ROI_ALIGN, multi_level_roi_align_reference)
