"""The PyTorch reference in every form: values, dtypes, gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vmamba_deploy.ops.op import BFLOAT16, FLOAT16, FLOAT32
from vmamba_deploy.ops.selective_scan.specification import ScanDims
from vmamba_deploy.ops.selective_scan.torch_reference import selective_scan_reference
from vmamba_deploy.ops.torch_registration import TORCH_DTYPES
from vmamba_deploy.testing import check_accuracy, every_form

SMALL = every_form(ScanDims(2, 5, 9, 7, 3, 4))


def tensors_of(case) -> list[torch.Tensor]:
    dtypes = [TORCH_DTYPES[case.in_dtype]] * 2 + [torch.float32] * 4
    return [
        torch.from_numpy(value.astype(np.float32)).to(dtype)
        for value, dtype in zip(case.inputs, dtypes, strict=True)
    ]


@pytest.mark.parametrize("dims", SMALL, ids=str)
@pytest.mark.parametrize("in_dtype", [FLOAT32, FLOAT16, BFLOAT16])
def test_agrees_with_float64(dims, in_dtype, scan_case):
    case = scan_case(dims, in_dtype, seed=1)
    for out_dtype in {FLOAT32, in_dtype}:
        y = selective_scan_reference(*tensors_of(case), dims.routes, out_dtype)
        check_accuracy(y.float().numpy(), case.expected, out_dtype)


@pytest.mark.parametrize("dims", SMALL, ids=str)
def test_float64_inputs_give_float64(dims, scan_case):
    case = scan_case(dims, seed=2)
    double = (tensor.double() for tensor in tensors_of(case))
    y = selective_scan_reference(*double, dims.routes, FLOAT32)
    assert y.dtype == torch.float64
    np.testing.assert_allclose(y.numpy(), case.expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("dims", every_form(ScanDims(1, 2, 3, 2, 2, 2)), ids=str)
def test_gradients(dims, scan_case):
    case = scan_case(dims, seed=3)
    inputs = [tensor.double().requires_grad_() for tensor in tensors_of(case)]
    assert torch.autograd.gradcheck(
        lambda *tensors: selective_scan_reference(*tensors, dims.routes, FLOAT32), inputs
    )


def test_wrong_routes_and_unknown_dtype(scan_case):
    tensors = tensors_of(scan_case(ScanDims(1, 4, 4, 8, 1, 2, (0, 2))))
    with pytest.raises(ValueError, match="out_dtype is 11"):
        selective_scan_reference(*tensors, [0, 2], 11)
    with pytest.raises(
        ValueError, match=r"routes is \[2, 5\], expected 1 to 4 numbers from 0 to 3"
    ):
        selective_scan_reference(*tensors, [2, 5], FLOAT32)
    with pytest.raises(ValueError, match=r"proj has shape \(1, 4, 4, 8\), expected \(1, 4, 4, 4\)"):
        selective_scan_reference(*tensors, [0], FLOAT32)
