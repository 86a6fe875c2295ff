"""A second op is its specification and a body: the same code makes all of its forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from vmamba_deploy.ops.onnx_forms import function_body, translation_table
from vmamba_deploy.ops.op import BFLOAT16, FLOAT16, FLOAT32, Attribute, Op, Operand
from vmamba_deploy.ops.torch_registration import register

# y = x * weight, row by row.
SCALE = Op(
    domain="toy",
    op_type="ScaleRows",
    version=3,
    inputs=(Operand("x", "T", ("L", "2 C")), Operand("weight", "float32", (1, "C"))),
    outputs=(Operand("y", "U", ("L", "2 C")),),
    attributes=(
        Attribute("times", "int", "how often"),
        Attribute("out_dtype", "int", "of y", dtype_of="U"),
        Attribute("plugin_version", "string", "for TensorRT", value="7"),
        Attribute("plugin_namespace", "string", "for TensorRT", value="toys"),
    ),
    type_variables={"T": (FLOAT32, FLOAT16), "U": ("T", BFLOAT16)},
    formulas={"2 C": lambda sizes: (2 * sizes["C"],)},
    limits={"C": (1, 4)},
    torch_name="toy::scale_rows",
    torch_module=__name__,
    body=lambda sizes: (
        """
        xf = Cast <to : int = 1> (x)
        both = Concat <axis : int = 1> (weight, weight)
        scaled = Mul (xf, both)
        y = Cast <to : int = @out_dtype> (scaled)
    """
    ),
    body_min_opset=13,
)


def reference(x, weight, times, out_dtype):
    dtype = {FLOAT32: torch.float32, FLOAT16: torch.float16}[out_dtype]
    return (x.float() * weight.repeat(1, 2) ** times).to(dtype)


@pytest.fixture(scope="module", autouse=True)
def registered():
    register(SCALE, reference)
    with torch.library._scoped_library("toy", "IMPL") as library:
        library.impl("scale_rows", reference, "CPU")
        yield


class Twice(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([[2.0, 3.0]]))

    def forward(self, x):
        return torch.ops.toy.scale_rows(x, self.weight, 1, FLOAT32)


def test_pytorch_has_it_with_its_fake_and_its_gradient():
    x, weight = (
        torch.randn(3, 4, requires_grad=True),
        torch.tensor([[2.0, 3.0]], requires_grad=True),
    )
    torch.library.opcheck(torch.ops.toy.scale_rows, (x, weight, 2, FLOAT32))
    torch.ops.toy.scale_rows(x, weight, 2, FLOAT32).sum().backward()
    torch.testing.assert_close(x.grad, torch.tensor([4.0, 9.0, 4.0, 9.0]).expand(3, 4))


@pytest.mark.parametrize(
    ("x", "weight", "arguments", "text"),
    [
        (torch.zeros(3, 5), torch.zeros(1, 2), (1, 1), r"x has shape \(3, 5\), expected \(3, 4\)"),
        (torch.zeros(3, 10), torch.zeros(1, 5), (1, 1), r"C must be in 1..4; got C=5"),
        (torch.zeros(3, 4).bfloat16(), torch.zeros(1, 2), (1, 1), "x is bfloat16, expected float"),
        (torch.zeros(3, 4).half(), torch.zeros(1, 2), (1, 1), r"out_dtype is 1, expected 10 \(fl"),
    ],
)
def test_its_fake_names_what_is_wrong(x, weight, arguments, text):
    with pytest.raises(ValueError, match=text):
        torch.ops.toy.scale_rows(x.to("meta"), weight.to("meta"), *arguments)


def test_it_is_exported_as_its_node_and_its_body_runs():
    x = torch.randn(3, 4)
    model = torch.onnx.export(
        Twice().eval(),
        (x,),
        dynamo=True,
        opset_version=20,
        custom_translation_table=translation_table([SCALE]),
    ).model_proto
    (node,) = (node for node in model.graph.node if (node.domain, node.op_type) == SCALE.key)
    values = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    fixed = {"plugin_version": b"7", "plugin_namespace": b"toys"}
    assert values == {"times": 1, "out_dtype": FLOAT32, **fixed}
    assert {one.domain: one.version for one in model.opset_import}["toy"] == 3
    model.functions.append(function_body(SCALE, 20))
    (y,) = ort.InferenceSession(model.SerializeToString()).run(
        None, {model.graph.input[0].name: x.numpy()}
    )
    np.testing.assert_allclose(y, x.numpy() * np.float32([2, 3, 2, 3]), rtol=1e-6)


def test_a_body_that_is_too_new_is_refused():
    with pytest.raises(ValueError, match="needs opset 13 or newer, got 12"):
        function_body(SCALE, 12)


def test_a_body_that_is_too_old_for_a_new_op_set_is_refused():
    bounded = replace(SCALE, body_max_opset=21)
    assert function_body(bounded, 21).name == SCALE.op_type
    with pytest.raises(ValueError, match="needs opset 21 or older, got 22"):
        function_body(bounded, 22)


def test_an_attribute_may_state_a_size():
    stated = replace(
        SCALE,
        outputs=(Operand("y", "U", ("L", "2 C", "N")),),
        attributes=(Attribute("times", "int", "how often", size_of="N"), *SCALE.attributes[1:]),
        limits={"C": (1, 4), "N": (1, 3)},
    )
    sizes = stated.read_sizes([(3, 4), (1, 2)], (2, FLOAT32))
    assert stated.shape_of(stated.outputs[0], sizes) == (3, 4, 2)
    with pytest.raises(ValueError, match=r"^times must be in 1\.\.3; got times=4$"):
        stated.read_sizes([(3, 4), (1, 2)], (4, FLOAT32))
