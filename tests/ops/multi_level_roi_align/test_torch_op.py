"""`torch.ops.vmamba.multi_level_roi_align`: registration, tracing, gradients, bad arguments."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from vmamba_deploy.ops.multi_level_roi_align.torch_op import multi_level_roi_align
from vmamba_deploy.ops.multi_level_roi_align.torch_reference import multi_level_roi_align_reference
from vmamba_deploy.ops.op import BFLOAT16, FLOAT16, FLOAT32
from vmamba_deploy.ops.torch_registration import ONNX_CODES
from vmamba_deploy.testing import RoiAlignDims, check_accuracy, random_roi_align_case

DIMS = RoiAlignDims(2, 6, 5, 150, 190, 7)


def random_inputs(dims=DIMS, dtype=torch.float32, seed=0, device="cpu"):
    case = random_roi_align_case(dims, seed=seed)
    maps = [torch.from_numpy(each).to(device, dtype) for each in case.maps]
    return (*maps, torch.from_numpy(case.boxes).to(device))


@pytest.mark.parametrize("code", [FLOAT32, FLOAT16, BFLOAT16])
def test_agrees_with_float64(code):
    case = random_roi_align_case(DIMS, code, seed=1)
    dtype = next(each for each, number in ONNX_CODES.items() if number == code)
    maps = [torch.from_numpy(each.astype(np.float32)).to(dtype) for each in case.maps]
    for out_dtype in {FLOAT32, code}:
        y = multi_level_roi_align(*maps, torch.from_numpy(case.boxes), 7, out_dtype)
        assert ONNX_CODES[y.dtype] == out_dtype
        check_accuracy(y, torch.from_numpy(case.expected), out_dtype)


@pytest.mark.parametrize("dtype", list(ONNX_CODES))
def test_opcheck(dtype):
    inputs = random_inputs(dtype=dtype)
    torch.library.opcheck(torch.ops.vmamba.multi_level_roi_align, (*inputs, 7, ONNX_CODES[dtype]))


def test_opcheck_with_gradients():
    *maps, boxes = random_inputs(RoiAlignDims(1, 3, 2, 40, 40, 2))
    inputs = (*(each.requires_grad_() for each in maps), boxes)
    torch.library.opcheck(torch.ops.vmamba.multi_level_roi_align, (*inputs, 2, FLOAT32))


def test_gradients_are_those_of_the_reference():
    maps = [each.requires_grad_() for each in random_inputs(seed=1)[:4]]
    boxes = random_inputs(seed=1)[4].requires_grad_()
    weight = torch.randn(2, 6, 5, 7, 7)
    got = torch.autograd.grad(
        (multi_level_roi_align(*maps, boxes, 7, FLOAT32) * weight).sum(), [*maps, boxes]
    )
    reference = (multi_level_roi_align_reference(*maps, boxes, 7, FLOAT32) * weight).sum()
    expected = torch.autograd.grad(reference, maps, materialize_grads=True)
    for ours, theirs in zip(got, expected, strict=False):
        torch.testing.assert_close(ours, theirs)
    assert not got[4].any()


def test_exports_as_one_node_with_free_sizes():
    class Pool(torch.nn.Module):
        def forward(self, *inputs):
            return torch.ops.vmamba.multi_level_roi_align(*inputs, 7, FLOAT32)

    free = {0: torch.export.Dim("B", min=1, max=8)}
    sides = [{2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO} for _ in range(4)]
    shapes = ((*(free | each for each in sides), free),)
    program = torch.export.export(Pool(), random_inputs(), dynamic_shapes=shapes)
    calls = [node for node in program.graph.nodes if node.op == "call_function"]
    assert [str(node.target) for node in calls] == ["vmamba.multi_level_roi_align.default"]
    other = random_inputs(RoiAlignDims(3, 6, 5, 96, 320, 7), seed=2)
    assert torch.equal(program.module()(*other), multi_level_roi_align(*other, 7, FLOAT32))


def test_non_contiguous_inputs():
    inputs = random_inputs(seed=2)
    expected = multi_level_roi_align(*inputs, 7, FLOAT32)
    strided = [each.to(memory_format=torch.channels_last) for each in inputs[:4]]
    boxes = inputs[4].transpose(1, 2).contiguous().transpose(1, 2)
    assert not strided[0].is_contiguous()
    assert not boxes.is_contiguous()
    y = multi_level_roi_align(*strided, boxes, 7, FLOAT32)
    assert y.is_contiguous()
    assert torch.equal(y, expected)


@pytest.mark.parametrize(("batch", "boxes"), [(0, 3), (2, 0)])
def test_an_empty_call(batch, boxes):
    inputs = random_inputs(RoiAlignDims(batch, boxes, 5, 64, 64, 7))
    assert multi_level_roi_align(*inputs, 7, FLOAT32).shape == (batch, boxes, 5, 7, 7)


WRONG = [
    (0, lambda t: t.double(), "p2 is float64, expected float32, float16 or bfloat16"),
    (2, lambda t: t.half(), "p4 is float16, expected float32"),
    (4, lambda t: t.half(), "boxes is float16, expected float32"),
    (3, lambda t: t[:, 1:], r"p5 has shape \(2, 4, 5, 6\), expected \(2, 5, 5, 6\)"),
    (4, lambda t: t[..., 1:], r"boxes has shape \(2, 6, 3\), expected \(2, 6, 4\)"),
    (1, lambda t: t[0], r"p3 has shape \(5, 19, 24\), expected \[B, C, H3, W3\]"),
]


@pytest.mark.parametrize(("position", "change", "text"), WRONG)
def test_a_wrong_input_is_named_and_the_fake_names_it_alike(position, change, text):
    inputs = list(random_inputs())
    inputs[position] = change(inputs[position])
    with pytest.raises(ValueError, match=text) as told:
        multi_level_roi_align(*inputs, 7, FLOAT32)
    with pytest.raises(ValueError, match=text) as faked:
        multi_level_roi_align(*(tensor.to("meta") for tensor in inputs), 7, FLOAT32)
    assert str(told.value) == f"vmamba::multi_level_roi_align: {faked.value}"


@pytest.mark.parametrize(
    ("output_size", "code", "text"),
    [
        (0, FLOAT32, "output_size must be in 1..64; got output_size=0"),
        (65, FLOAT32, "output_size must be in 1..64; got output_size=65"),
        (7, FLOAT16, r"out_dtype is 10, expected 1 \(float32\)"),
        (7, 11, r"out_dtype is 11, expected 1 \(float32\)"),
    ],
)
def test_a_wrong_argument_is_named_and_the_fake_names_it_alike(output_size, code, text):
    for device in ("cpu", "meta"):
        with pytest.raises(ValueError, match=text):
            multi_level_roi_align(
                *(tensor.to(device) for tensor in random_inputs()), output_size, code
            )


# In a process of its own: the instruction set is chosen once.
FIRST_CALL = """
import torch
from vmamba_deploy.errors import EnvironmentProblem
from vmamba_deploy.ops.multi_level_roi_align.torch_op import multi_level_roi_align
maps = [torch.zeros(1, 1, 2, 2) for _ in range(4)]
try:
    multi_level_roi_align(*maps, torch.zeros(1, 1, 4), 7, 1)
except EnvironmentProblem as problem:
    print(problem.message)
"""


def test_what_the_machine_cannot_do_is_no_bug():
    done = subprocess.run(
        [sys.executable, "-c", FIRST_CALL],
        env=os.environ | {"VMAMBA_CPU_ISA": "mmx"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "VMAMBA_CPU_ISA=mmx: expected portable, avx2 or avx512" in done.stdout


@pytest.mark.gpu
class TestCuda:
    @pytest.fixture(autouse=True)
    def _needs_cuda(self):
        if not torch.cuda.is_available():
            pytest.skip("no CUDA device")

    @pytest.mark.parametrize("dtype", list(ONNX_CODES))
    def test_agrees_with_the_reference(self, dtype):
        inputs = random_inputs(RoiAlignDims(2, 40, 64, 256, 320, 7), dtype, device="cuda")
        y = multi_level_roi_align(*inputs, 7, FLOAT32)
        expected = multi_level_roi_align_reference(*(each.cpu() for each in inputs), 7, FLOAT32)
        torch.testing.assert_close(y.cpu(), expected, rtol=2e-5, atol=2e-5)
