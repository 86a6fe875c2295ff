"""The PyTorch reference: values, dtypes, gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vmamba_deploy.ops.op import BFLOAT16, FLOAT16, FLOAT32
from vmamba_deploy.ops.selective_scan_2d.specification import ScanDims
from vmamba_deploy.ops.selective_scan_2d.torch_reference import selective_scan_2d_reference
from vmamba_deploy.ops.torch_registration import TORCH_DTYPES
from vmamba_deploy.testing import check_accuracy

SHAPES = [(1, 1, 1, 1, 1, 1), (2, 5, 9, 7, 1, 3), (1, 1, 96, 3, 16, 6), (2, 9, 4, 33, 3, 24)]


def tensors_of(case) -> list[torch.Tensor]:
    dtypes = [TORCH_DTYPES[case.in_dtype]] * 2 + [torch.float32] * 4
    return [
        torch.from_numpy(value.astype(np.float32)).to(dtype)
        for value, dtype in zip(case.inputs, dtypes, strict=True)
    ]


@pytest.mark.parametrize("sizes", SHAPES)
@pytest.mark.parametrize("in_dtype", [FLOAT32, FLOAT16, BFLOAT16])
def test_agrees_with_float64(sizes, in_dtype, scan_case):
    case = scan_case(ScanDims(*sizes), in_dtype, seed=1)
    for out_dtype in {FLOAT32, in_dtype}:
        y = selective_scan_2d_reference(*tensors_of(case), out_dtype)
        check_accuracy(y.float().numpy(), case.expected, out_dtype)


def test_float64_inputs_give_float64(scan_case):
    case = scan_case(ScanDims(2, 6, 5, 9, 4, 3), seed=2)
    y = selective_scan_2d_reference(*(t.double() for t in tensors_of(case)), FLOAT32)
    assert y.dtype == torch.float64
    np.testing.assert_allclose(y.numpy(), case.expected, rtol=1e-11, atol=1e-12)


def test_gradients(scan_case):
    case = scan_case(ScanDims(2, 2, 3, 2, 2, 2), seed=3)
    inputs = [tensor.double().requires_grad_() for tensor in tensors_of(case)]
    assert torch.autograd.gradcheck(
        lambda *tensors: selective_scan_2d_reference(*tensors, FLOAT32), inputs
    )


def test_autocast_changes_nothing(scan_case):
    tensors = tensors_of(scan_case(ScanDims(1, 4, 4, 8, 1, 2), seed=4))
    expected = selective_scan_2d_reference(*tensors, FLOAT32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(selective_scan_2d_reference(*tensors, FLOAT32), expected)


def test_wrong_shape_and_unknown_dtype(scan_case):
    tensors = tensors_of(scan_case(ScanDims(1, 4, 4, 8, 1, 2)))
    with pytest.raises(ValueError, match="out_dtype is 11"):
        selective_scan_2d_reference(*tensors, 11)
    with pytest.raises(ValueError, match=r"proj has shape \(1, 4, 4, 15\)"):
        selective_scan_2d_reference(tensors[0], tensors[1][..., 1:], *tensors[2:], FLOAT32)
