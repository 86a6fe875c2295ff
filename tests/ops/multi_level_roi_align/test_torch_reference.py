"""The PyTorch reference: values, dtypes, gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vmamba_deploy.ops.multi_level_roi_align.torch_reference import multi_level_roi_align_reference
from vmamba_deploy.ops.op import BFLOAT16, FLOAT16, FLOAT32
from vmamba_deploy.ops.torch_registration import TORCH_DTYPES
from vmamba_deploy.testing import (
    SPECIAL_BOXES,
    RoiAlignDims,
    check_accuracy,
    random_roi_align_case,
)


def tensors_of(case) -> list[torch.Tensor]:
    dtype = TORCH_DTYPES[case.in_dtype]
    maps = [torch.from_numpy(each.astype(np.float32)).to(dtype) for each in case.maps]
    return [*maps, torch.from_numpy(case.boxes)]


@pytest.mark.parametrize(
    "sizes", [(2, 9, 3, 190, 250, 7), (1, 5, 2, 64, 300, 14), (0, 2, 3, 9, 9, 2)]
)
@pytest.mark.parametrize("in_dtype", [FLOAT32, FLOAT16, BFLOAT16])
def test_agrees_with_float64(sizes, in_dtype):
    case = random_roi_align_case(RoiAlignDims(*sizes), in_dtype, seed=1)
    for out_dtype in {FLOAT32, in_dtype}:
        y = multi_level_roi_align_reference(*tensors_of(case), case.output_size, out_dtype)
        check_accuracy(y.float().numpy(), case.expected, out_dtype)


@pytest.mark.parametrize("special", SPECIAL_BOXES)
def test_special_boxes(special):
    boxes = np.float32(SPECIAL_BOXES[special])
    dims = RoiAlignDims(1, len(boxes), 2, 256, 320, 7)
    case = random_roi_align_case(dims, seed=2, boxes=boxes)
    y = multi_level_roi_align_reference(*tensors_of(case), 7, FLOAT32)
    check_accuracy(y.numpy(), case.expected, FLOAT32)


def test_gradients_of_the_maps():
    case = random_roi_align_case(RoiAlignDims(2, 3, 2, 40, 48, 2), seed=3)
    *maps, boxes = tensors_of(case)
    inputs = [each.double().requires_grad_() for each in maps]
    assert torch.autograd.gradcheck(
        lambda *tensors: multi_level_roi_align_reference(*tensors, boxes, 2, FLOAT32), inputs
    )


def test_autocast_changes_nothing():
    tensors = tensors_of(random_roi_align_case(RoiAlignDims(1, 4, 3, 64, 64, 7), seed=4))
    expected = multi_level_roi_align_reference(*tensors, 7, FLOAT32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(multi_level_roi_align_reference(*tensors, 7, FLOAT32), expected)


def test_wrong_shape_and_unknown_dtype():
    tensors = tensors_of(random_roi_align_case(RoiAlignDims(1, 4, 3, 64, 64, 7)))
    with pytest.raises(ValueError, match="out_dtype is 11"):
        multi_level_roi_align_reference(*tensors, 7, 11)
    with pytest.raises(ValueError, match=r"boxes has shape \(1, 4, 3\)"):
        multi_level_roi_align_reference(*tensors[:4], tensors[4][..., 1:], 7, FLOAT32)
