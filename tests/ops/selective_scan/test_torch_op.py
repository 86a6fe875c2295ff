"""`torch.ops.vmamba.selective_scan`: registration, tracing, gradients, bad arguments."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from vmamba_deploy.ops.onnx_forms import translation_table
from vmamba_deploy.ops.op import BFLOAT16, FLOAT16, FLOAT32
from vmamba_deploy.ops.selective_scan.specification import SELECTIVE_SCAN, ScanDims
from vmamba_deploy.ops.selective_scan.torch_op import selective_scan
from vmamba_deploy.ops.selective_scan.torch_reference import selective_scan_reference
from vmamba_deploy.ops.torch_registration import ONNX_CODES
from vmamba_deploy.testing import every_form, random_tensors

DIMS = ScanDims(2, 5, 6, 11, 2, 3)
FORMS = every_form(DIMS)
TWO_ROUTES = replace(DIMS, routes=(0, 2), x_per_route=True)


def inputs_of(dims: ScanDims, dtype=torch.float32, seed=0):
    return random_tensors(dims, dtype, "cpu", seed).scan


@pytest.mark.parametrize("dtype", list(ONNX_CODES))
@pytest.mark.parametrize("dims", FORMS, ids=str)
def test_agrees_with_the_reference(dims, dtype):
    inputs = inputs_of(dims, dtype)
    for code in {FLOAT32, ONNX_CODES[dtype]}:
        y = selective_scan(*inputs, dims.routes, code)
        expected = selective_scan_reference(*inputs, dims.routes, code)
        assert y.dtype == expected.dtype
        tolerance = 2e-5 if code == FLOAT32 else torch.finfo(dtype).eps
        torch.testing.assert_close(y, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dims", FORMS, ids=str)
def test_opcheck(dims):
    call = (*inputs_of(dims, torch.bfloat16), list(dims.routes), BFLOAT16)
    torch.library.opcheck(torch.ops.vmamba.selective_scan, call)


@pytest.mark.parametrize("dims", every_form(ScanDims(1, 3, 2, 4, 1, 2)), ids=str)
def test_gradients_are_those_of_the_reference(dims):
    inputs = tuple(tensor.requires_grad_() for tensor in inputs_of(dims, seed=1))
    torch.library.opcheck(torch.ops.vmamba.selective_scan, (*inputs, list(dims.routes), FLOAT32))
    weight = torch.randn(inputs[0].shape[-4:])
    got, expected = (
        torch.autograd.grad((scan(*inputs, dims.routes, FLOAT32) * weight).sum(), inputs)
        for scan in (selective_scan, selective_scan_reference)
    )
    for ours, theirs in zip(got, expected, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_compiles_as_one_graph():
    def block(*inputs):
        return torch.nn.functional.silu(selective_scan(*inputs, (0, 2), FLOAT32)) + 1

    compiled = torch.compile(block, fullgraph=True, backend="aot_eager", dynamic=True)
    for seed, (height, width) in enumerate([(5, 6), (3, 8)]):
        inputs = inputs_of(replace(TWO_ROUTES, height=height, width=width), seed=seed)
        torch.testing.assert_close(compiled(*inputs), block(*inputs))


class Scan(torch.nn.Module):
    def forward(self, *inputs):
        return torch.ops.vmamba.selective_scan(*inputs, [0, 2], FLOAT32)


def test_exports_as_one_node_with_its_routes():
    inputs = inputs_of(TWO_ROUTES)
    program = torch.export.export(Scan(), inputs)
    calls = [node for node in program.graph.nodes if node.op == "call_function"]
    assert [str(node.target) for node in calls] == ["vmamba.selective_scan.default"]
    table = translation_table([SELECTIVE_SCAN])
    model = torch.onnx.export(program, dynamo=True, custom_translation_table=table).model_proto
    (node,) = model.graph.node
    assert (node.domain, node.op_type) == SELECTIVE_SCAN.key
    attributes = {each.name: each for each in node.attribute}
    assert list(attributes["routes"].ints) == [0, 2]
    assert attributes["plugin_namespace"].s == b"vmamba"


def test_non_contiguous_inputs():
    inputs = inputs_of(TWO_ROUTES, seed=2)
    expected = selective_scan(*inputs, [0, 2], FLOAT32)
    strided = [t.transpose(0, -1).contiguous().transpose(0, -1) for t in inputs]
    assert not strided[0].is_contiguous()
    y = selective_scan(*strided, [0, 2], FLOAT32)
    assert y.is_contiguous()
    assert torch.equal(y, expected)


def test_empty_batch():
    inputs = inputs_of(replace(TWO_ROUTES, batch=0))
    assert selective_scan(*inputs, [0, 2], FLOAT32).shape == (0, 5, 6, 11)


WRONG = [
    (0, lambda t: t.double(), "x is float64, expected float32, float16 or bfloat16"),
    (1, lambda t: t.half(), "proj is float16, expected float32"),
    (0, lambda t: t[0, 0], r"x has shape \(5, 6, 11\), expected \[B, H, W, D\] or \[K, B, H, W"),
    (0, lambda t: t[:1], r"x has shape \(1, 2, 5, 6, 11\), expected \(2, 2, 5, 6, 11\)"),
    (1, lambda t: t[0], r"proj has shape \(2, 5, 6, 7\), expected \[K, B, H, W, R \+ 2 N\]"),
    (1, lambda t: t[..., 1:], r"proj has shape \(2, 2, 5, 6, 6\), expected \(2, 2, 5, 6, 7\)"),
    (2, lambda t: t[:, :1], r"proj has .* \(2, 2, 5, 6, 5\) or \(2, 2, 5, 6, 15\)"),
    (3, lambda t: t[:, 1:], r"dt_bias has shape \(2, 10\), expected \(2, 11\)"),
    (4, lambda t: t[:1], "a has shape"),
    (5, lambda t: t[:, 1:], "d has shape"),
]


@pytest.mark.parametrize(("position", "change", "text"), WRONG)
def test_a_wrong_input_is_named_alike_by_the_kernel_and_the_fake(position, change, text):
    inputs = list(inputs_of(TWO_ROUTES))
    inputs[position] = change(inputs[position])
    with pytest.raises(ValueError, match=text) as told:
        selective_scan(*inputs, [0, 2], FLOAT32)
    with pytest.raises(ValueError, match=text) as faked:
        selective_scan(*(tensor.to("meta") for tensor in inputs), [0, 2], FLOAT32)
    assert str(told.value) == f"vmamba::selective_scan: {faked.value}"


@pytest.mark.parametrize("routes", [[], [4], [0, -1], [0, 2, 7], [0, 1, 2, 3, 0]], ids=str)
def test_other_routes_are_named_alike(routes):
    inputs = inputs_of(TWO_ROUTES)
    with pytest.raises(
        ValueError, match=r"routes is .*, expected 1 to 4 numbers from 0 to 3"
    ) as told:
        selective_scan(*inputs, routes, FLOAT32)
    with pytest.raises(ValueError, match="routes is") as faked:
        selective_scan(*(tensor.to("meta") for tensor in inputs), routes, FLOAT32)
    same = str(faked.value).replace("[0, 1, 2, 3, 0]", "[0, 1, 2, 3, ...]")  # a long one is cut
    assert str(told.value) == f"vmamba::selective_scan: {same}"


@pytest.mark.parametrize("code", [FLOAT16, 11])
def test_a_wrong_out_dtype_is_named(code):
    with pytest.raises(ValueError, match=f"out_dtype is {code}"):
        selective_scan(*inputs_of(TWO_ROUTES), [0, 2], code)
