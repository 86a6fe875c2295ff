"""SelectiveScan in sessions with our library: every form, and what is told of a wrong node."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx.parser
import pytest
from onnx import TensorProto
from scan_model import open_session, run

from tests.ops.one_node import one_node_model
from vmamba_deploy.ops.onnx_forms import function_body
from vmamba_deploy.ops.selective_scan.specification import SELECTIVE_SCAN, ScanDims
from vmamba_deploy.testing import DTYPE_PAIRS, check_accuracy, every_form, random_case

F32 = TensorProto.FLOAT
TWO_ROUTES = ScanDims(2, 1, 9, 13, 2, 3, (0, 2), x_per_route=True)


def model(dims: ScanDims, in_dtype=F32, out_dtype=F32, *, routes=None, body=None) -> bytes:
    """A node between inputs of which no extent is known."""
    made = one_node_model(
        SELECTIVE_SCAN,
        in_dtype,
        out_dtype,
        body=body,
        form=int(dims.x_per_route),
        routes=list(dims.routes if routes is None else routes),
    )
    for value in made.graph.input:
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            dim.dim_param = f"{value.name}{axis}"
    return made.SerializeToString()


@pytest.mark.parametrize(("in_dtype", "out_dtype"), DTYPE_PAIRS)
@pytest.mark.parametrize("dims", every_form(ScanDims(2, 5, 7, 33, 3, 4)), ids=str)
def test_agrees_with_float64_at_every_shape_of_one_session(ort_library, dims, in_dtype, out_dtype):
    body = function_body(SELECTIVE_SCAN, 20)
    session = open_session(model(dims, in_dtype, out_dtype, body=body), ort_library)
    others = [replace(dims, batch=1, height=1, width=11), replace(dims, batch=0), dims]
    for seed, each in enumerate(others):
        case = random_case(each, in_dtype, seed)
        actual = run(session, case.by_name, in_dtype, out_dtype)
        check_accuracy(actual, case.expected, out_dtype)


ZERO_BODY = """
<domain: "vmamba", opset_import: ["" : 20]>
SelectiveScan <routes, out_dtype> (x, proj, dt_weight, dt_bias, a, d) => (y)
{
    first = Constant <value : tensor = int64 {0}> ()
    one = Gather <axis : int = 0> (x, first)
    y = Sub (one, one)
}
"""


def test_the_kernel_wins_over_the_body_and_needs_none(ort_library):
    arrays = random_case(TWO_ROUTES, seed=1).by_name
    zeros = model(TWO_ROUTES, body=onnx.parser.parse_function(ZERO_BODY))
    assert not run(open_session(zeros), arrays, F32, F32).any()
    for each in (zeros, model(TWO_ROUTES)):
        assert run(open_session(each, ort_library), arrays, F32, F32).any()
    with pytest.raises(Exception, match="SelectiveScan"):
        open_session(model(TWO_ROUTES))


@pytest.mark.parametrize("dims", [TWO_ROUTES, replace(TWO_ROUTES, x_per_route=False)], ids=str)
def test_the_session_knows_the_shape_before_it_runs(ort_library, dims):
    made = onnx.load_model_from_string(model(dims))
    for name, dim in zip("KBHWD"[5 - len(dims.maps) - 1 :], _axes(made, "x"), strict=True):
        dim.dim_param = name
    made.graph.output[0].type.tensor_type.ClearField("shape")
    (y,) = open_session(made.SerializeToString(), ort_library).get_outputs()
    assert y.shape == list("BHWD")


def _axes(made: onnx.ModelProto, name: str):
    (value,) = (each for each in made.graph.input if each.name == name)
    return value.type.tensor_type.shape.dim


@pytest.mark.parametrize("dims", every_form(ScanDims(2, 6, 7, 70, 2, 3)), ids=str)
def test_bits_do_not_depend_on_threads(ort_library, dims):
    arrays = random_case(dims, seed=11).by_name
    one, two = (
        run(open_session(model(dims), ort_library, threads=threads), arrays, F32, F32)
        for threads in (1, 2)
    )
    assert one.tobytes() == two.tobytes()


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("x", (1, 2, 1, 9, 13), r"x has shape \(1, 2, 1, 9, 13\), expected \(2, 2, 1, 9, 13\)"),
        ("proj", (2, 2, 1, 9, 8), r"proj has shape \(2, 2, 1, 9, 8\), expected \(2, 2, 1, 9, 7\)"),
        ("dt_weight", (2, 1, 13), r"expected \(2, 2, 1, 9, 5\) or \(2, 2, 1, 9, 17\)"),
        ("dt_bias", (2, 12), r"dt_bias has shape \(2, 12\), expected \(2, 13\)"),
        ("a", (1, 2, 13), r"a has shape \(1, 2, 13\), expected \(2, 2, 13\)"),
    ],
)
def test_a_wrong_shape_is_told(ort_library, name, shape, message):
    session = open_session(model(TWO_ROUTES), ort_library)
    arrays = random_case(TWO_ROUTES).by_name | {name: np.zeros(shape, np.float32)}
    with pytest.raises(Exception, match=message):
        run(session, arrays, F32, F32)


@pytest.mark.parametrize(
    ("routes", "message"),
    [
        ((2, 4), r"routes is \[2, 4\], expected 1 to 4 numbers from 0 to 3"),
        ((-1,), r"routes is \[-1\]"),
        ((0, 1, 2, 3, 0), "routes has more than 4 values"),
    ],
)
def test_other_routes_are_told_when_the_session_is_made(ort_library, routes, message):
    with pytest.raises(Exception, match=message):
        open_session(model(TWO_ROUTES, routes=routes), ort_library)


def test_a_node_without_routes_is_refused(ort_library):
    made = onnx.load_model_from_string(model(TWO_ROUTES))
    (node,) = made.graph.node
    kept = [each for each in node.attribute if each.name != "routes"]
    del node.attribute[:]
    node.attribute.extend(kept)
    with pytest.raises(Exception, match="routes"):
        open_session(made.SerializeToString(), ort_library)
