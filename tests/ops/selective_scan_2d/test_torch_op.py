"""`torch.ops.vmamba.selective_scan_2d`: registration, tracing, gradients, bad arguments."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from vmamba_deploy.ops.op import BFLOAT16, FLOAT16, FLOAT32
from vmamba_deploy.ops.selective_scan_2d.specification import ScanDims
from vmamba_deploy.ops.selective_scan_2d.torch_op import selective_scan_2d
from vmamba_deploy.ops.selective_scan_2d.torch_reference import selective_scan_2d_reference
from vmamba_deploy.ops.torch_registration import ONNX_CODES
from vmamba_deploy.testing import random_tensors

CODES = ONNX_CODES


def random_inputs(sizes=(2, 5, 6, 11, 2, 3), dtype=torch.float32, seed=0, device="cpu"):
    return random_tensors(ScanDims(*sizes), dtype, device, seed).scan


@pytest.mark.parametrize("dtype", list(CODES))
def test_agrees_with_the_reference(dtype):
    inputs = random_inputs(dtype=dtype)
    for code in {FLOAT32, CODES[dtype]}:
        y = selective_scan_2d(*inputs, code)
        expected = selective_scan_2d_reference(*inputs, code)
        assert y.dtype == expected.dtype
        tolerance = 2e-5 if code == FLOAT32 else torch.finfo(dtype).eps
        torch.testing.assert_close(y, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", list(CODES))
def test_opcheck(dtype):
    inputs = random_inputs(dtype=dtype)
    torch.library.opcheck(torch.ops.vmamba.selective_scan_2d, (*inputs, CODES[dtype]))


def test_opcheck_with_gradients():
    inputs = tuple(tensor.requires_grad_() for tensor in random_inputs((1, 3, 2, 4, 1, 2)))
    torch.library.opcheck(torch.ops.vmamba.selective_scan_2d, (*inputs, FLOAT32))


def test_gradients_are_those_of_the_reference():
    inputs = tuple(tensor.requires_grad_() for tensor in random_inputs(seed=1))
    weight = torch.randn(inputs[0].shape)
    got = torch.autograd.grad((selective_scan_2d(*inputs, FLOAT32) * weight).sum(), inputs)
    expected = torch.autograd.grad(
        (selective_scan_2d_reference(*inputs, FLOAT32) * weight).sum(), inputs
    )
    for ours, theirs in zip(got, expected, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_half_precision_gradients_keep_their_dtype():
    inputs = tuple(t.requires_grad_() for t in random_inputs(dtype=torch.bfloat16))
    selective_scan_2d(*inputs, BFLOAT16).float().sum().backward()
    assert [tensor.grad.dtype for tensor in inputs] == [tensor.dtype for tensor in inputs]
    assert all(torch.isfinite(tensor.grad).all() for tensor in inputs)


def test_compiles_as_one_graph():
    def block(*inputs):
        return torch.nn.functional.silu(selective_scan_2d(*inputs, FLOAT32)) + 1

    compiled = torch.compile(block, fullgraph=True, backend="aot_eager", dynamic=True)
    for seed, sizes in enumerate([(2, 5, 6, 11, 2, 3), (1, 3, 8, 11, 2, 3)]):
        inputs = random_inputs(sizes, seed=seed)
        torch.testing.assert_close(compiled(*inputs), block(*inputs))


def test_exports_as_one_node():
    class Scan(torch.nn.Module):
        def forward(self, *inputs):
            return torch.ops.vmamba.selective_scan_2d(*inputs, FLOAT32)

    program = torch.export.export(Scan(), random_inputs())
    calls = [node for node in program.graph.nodes if node.op == "call_function"]
    assert [str(node.target) for node in calls] == ["vmamba.selective_scan_2d.default"]


def test_non_contiguous_inputs():
    inputs = random_inputs(seed=2)
    expected = selective_scan_2d(*inputs, FLOAT32)
    strided = [t.transpose(0, -1).contiguous().transpose(0, -1) for t in inputs]
    assert not strided[0].is_contiguous()
    y = selective_scan_2d(*strided, FLOAT32)
    assert y.is_contiguous()
    assert torch.equal(y, expected)


def test_empty_batch():
    assert selective_scan_2d(*random_inputs((0, 5, 6, 11, 2, 3)), FLOAT32).shape == (0, 5, 6, 11)


@pytest.mark.parametrize(
    ("position", "change", "text"),
    [
        (0, lambda t: t.double(), "x is float64, expected float32, float16 or bfloat16"),
        (1, lambda t: t.half(), "proj is float16, expected float32"),
        (2, lambda t: t.half(), "dt_weight is float16"),
        (3, lambda t: t[:, 1:], r"dt_bias has shape \(4, 10\), expected \(4, 11\)"),
        (4, lambda t: t[:3], "a has shape"),
        (5, lambda t: t.to("meta"), "d is on meta, expected cpu"),
        (1, lambda t: t[..., 1:], "proj has shape"),
    ],
)
def test_a_wrong_input_is_named(position, change, text):
    inputs = list(random_inputs())
    inputs[position] = change(inputs[position])
    with pytest.raises(ValueError, match=text):
        selective_scan_2d(*inputs, FLOAT32)


@pytest.mark.parametrize("code", [FLOAT16, 11])
def test_a_wrong_out_dtype_is_named(code):
    with pytest.raises(ValueError, match=f"out_dtype is {code}"):
        selective_scan_2d(*random_inputs(), code)


@pytest.mark.parametrize("position", range(6))
def test_the_fake_names_a_wrong_input_as_the_kernel_does(position):
    inputs = list(random_inputs())
    inputs[position] = inputs[position][..., 1:]
    with pytest.raises(ValueError, match="expected") as told:
        selective_scan_2d(*inputs, FLOAT32)
    with pytest.raises(ValueError, match="expected") as faked:
        selective_scan_2d(*(tensor.to("meta") for tensor in inputs), FLOAT32)
    assert str(told.value) == f"vmamba::selective_scan_2d: {faked.value}"


# In processes of their own: a library that is loaded stays.
FIRST_CALL = r"""
import torch
from vmamba_deploy.errors import EnvironmentProblem
from vmamba_deploy.ops.selective_scan_2d.torch_op import selective_scan_2d
shapes = [(1, 2, 2, 4), (1, 2, 2, 12), (4, 1, 4), (4, 4), (4, 1, 4), (4, 4)]
try:
    selective_scan_2d(*(torch.zeros(shape) for shape in shapes), 1)
except EnvironmentProblem as problem:
    print(problem.message, problem.hint, sep="\n")
"""


def first_call(environment: dict[str, str]) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", FIRST_CALL],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_no_silent_fallback(tmp_path):
    message, hint = first_call({"VMAMBA_NATIVE_DIR": str(tmp_path)})
    assert message == f"VMAMBA_NATIVE_DIR names {tmp_path}, which has no libvmamba_torch.so"
    assert hint == "unset VMAMBA_NATIVE_DIR to build it from source"


def test_a_file_that_is_no_library(tmp_path):
    (tmp_path / "libvmamba_torch.so").write_bytes(b"not a shared object")
    message, hint = first_call({"VMAMBA_NATIVE_DIR": str(tmp_path)})
    assert message.startswith(f"{tmp_path}/libvmamba_torch.so cannot be loaded: ")
    assert hint == "make native"


def test_what_the_machine_cannot_do_is_no_bug():
    message, _ = first_call({"VMAMBA_CPU_ISA": "mmx"})
    assert "VMAMBA_CPU_ISA=mmx: expected portable, avx2 or avx512" in message


@pytest.mark.gpu
class TestCuda:
    @pytest.fixture(autouse=True)
    def _needs_cuda(self):
        if not torch.cuda.is_available():
            pytest.skip("no CUDA device")

    @pytest.mark.parametrize("dtype", list(CODES))
    def test_agrees_with_the_reference(self, dtype):
        inputs = random_inputs((2, 14, 14, 96, 1, 6), dtype, device="cuda")
        y = selective_scan_2d(*inputs, FLOAT32)
        expected = selective_scan_2d_reference(*inputs, FLOAT32)
        torch.testing.assert_close(y, expected, rtol=2e-5, atol=2e-5)

    def test_cuda_graph(self):
        inputs = random_inputs((1, 14, 14, 96, 1, 6), device="cuda")
        expected = selective_scan_2d(*inputs, FLOAT32)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            y = selective_scan_2d(*inputs, FLOAT32)
        y.zero_()
        graph.replay()
        assert torch.equal(y, expected)
