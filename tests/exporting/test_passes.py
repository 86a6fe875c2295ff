"""Each pass changes what it names, says so, and looks into functions and subgraphs."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest
from onnx_ir.passes.common import ShapeInferencePass

from vmamba_deploy.exporting.onnx_graph import our_nodes
from vmamba_deploy.exporting.passes import (
    CarryFunctionBodies,
    DropSourceTraces,
    NameLinearWeights,
    ProbeOutputs,
    WidenBfloat16,
    WriteMetadata,
    serialised,
)
from vmamba_deploy.ops.selective_scan_2d.specification import SELECTIVE_SCAN_2D

SCOPES = "pkg.torch.onnx.name_scopes"
TRACE = "pkg.torch.onnx.stack_trace"

# A scan in the branch of an If and one in a function, and a product in each.
NESTED = """<ir_version: 10, opset_import: ["" : 22, "vmamba" : 1, "own" : 1]>
nested (float[1,H,W,D] x, float[1,H,W,P] proj, float[4,R,D] dw, float[4,D] db, float[4,N,D] a,
        float[4,D] d, bool which) => (float[1,H,W,D] y, float[1,H,W,D] z)
<float[2,2] val_1 = {1,2,3,4}>
{
    y = If <then_branch = scans () => (float[1,H,W,D] inner) {
        flat = MatMul (x, val_1)
        inner = vmamba.SelectiveScan2D <out_dtype = 1> (flat, proj, dw, db, a, d)
    }, else_branch = passes () => (float[1,H,W,D] same) { same = Identity (x) }> (which)
    z = own.scan (x, proj, dw, db, a, d)
}
<domain: "own", opset_import: ["" : 22, "vmamba" : 1]>
scan (x, proj, dw, db, a, d) => (y)
{ y = vmamba.SelectiveScan2D <out_dtype = 1> (x, proj, dw, db, a, d) }
"""

# y = 2 (x w)^T in bfloat16, doubled in the main graph, in an If, or in a function.
BFLOAT16 = """<ir_version: 10, opset_import: ["" : 22, "own" : 1]>
g (float[n,16] x) => (float[8,n] y) {{
    x16 = Cast <to = 16> (x)
    product = MatMul (x16, w)
    turned = Transpose <perm = [1, 0]> (product)
    {double}
    y = Cast <to = 1> (sum)
}}
<domain: "own", opset_import: ["" : 22]>
double (value) => (twice) {{ narrow = Cast <to = 16> (value) twice = Add (narrow, narrow) }}
"""
DOUBLINGS = {
    "main graph": "sum = Add (turned, turned)",
    "subgraph": """yes = Constant <value = bool {1}> ()
    sum = If <then_branch = t () => (bfloat16[8,n] inner) { inner = Add (turned, turned) },
              else_branch = e () => (bfloat16[8,n] same) { same = Identity (turned) }> (yes)""",
    "function": "sum = own.double (turned)",
}


@pytest.fixture
def nested() -> ir.Model:
    return ir.from_onnx_text(NESTED)


@pytest.fixture
def weights() -> np.ndarray:
    return np.random.default_rng().normal(size=(16, 8)).astype(ml_dtypes.bfloat16)


@pytest.fixture(params=DOUBLINGS)
def bfloat16(request, weights) -> ir.Model:
    text = BFLOAT16.format(double=DOUBLINGS[request.param])
    if request.param != "function":
        text = text[: text.index("<domain")].replace(', "own" : 1', "")
    model = ir.from_onnx_text(text)
    weight = ir.Value(name="w", const_value=ir.tensor(weights, name="w"))
    (used,) = (value for node in model.graph for value in node.inputs if value.name == "w")
    used.replace_all_uses_with(weight)
    model.graph.register_initializer(weight)
    return model


def test_our_nodes_are_found_in_functions_and_subgraphs(nested):
    assert len(our_nodes(nested)) == 2


def test_source_traces_go_wherever_they_are_and_the_module_paths_stay(nested):
    (function,) = nested.functions.values()
    then, _ = nested.graph.subgraphs()
    holders = [nested.graph.inputs[0], then[0], then[0].outputs[0], function[0]]
    for holder in holders:
        holder.metadata_props.update({TRACE: "/home/somebody/net.py", SCOPES: "['net', 'x']"})
    assert DropSourceTraces()(nested).modified
    assert [dict(holder.metadata_props) for holder in holders] == [{SCOPES: "['net', 'x']"}] * 4
    assert not DropSourceTraces()(nested).modified


def test_a_product_in_a_subgraph_names_its_weight(nested):
    assert not NameLinearWeights()(nested).modified  # nothing says where it came from
    then, _ = nested.graph.subgraphs()
    then[0].metadata_props[SCOPES] = "['', 'blocks.0.fc', 'linear']"
    assert NameLinearWeights()(nested).modified
    assert list(nested.graph.initializers) == ["blocks.0.fc.weight_transposed"]
    assert then[0].inputs[1].name == "blocks.0.fc.weight_transposed"
    onnx.checker.check_model(ir.to_proto(nested))


def test_a_weight_that_two_nodes_read_keeps_its_name(nested):
    then, _ = nested.graph.subgraphs()
    then[0].metadata_props[SCOPES] = "['', 'blocks.0.fc', 'linear']"
    then.append(ir.node("Identity", [then[0].inputs[1]]))
    assert not NameLinearWeights()(nested).modified


def test_a_body_comes_once_for_nodes_that_no_main_graph_holds(nested):
    assert CarryFunctionBodies({SELECTIVE_SCAN_2D.key: {"N": 1}})(nested).modified
    assert [key[:2] for key in nested.functions] == [("own", "scan"), ("vmamba", "SelectiveScan2D")]
    assert not CarryFunctionBodies({SELECTIVE_SCAN_2D.key: {"N": 1}})(nested).modified
    session = ort.InferenceSession(serialised(nested))
    shapes = {"x": (1, 3, 2, 2), "proj": (1, 3, 2, 12), "dw": (4, 1, 2), "db": (4, 2)}
    feed = {name: np.ones(shape, np.float32) for name, shape in shapes.items()}
    feed |= {"a": -np.ones((4, 1, 2), np.float32), "d": np.ones((4, 2), np.float32)}
    then, z = session.run(None, {**feed, "which": np.array(True)})
    other, again = session.run(None, {**feed, "which": np.array(False)})
    assert np.array_equal(z, again)
    assert np.array_equal(other, feed["x"])
    assert np.isfinite(then).all()
    assert (then != z).any()


def test_metadata_is_replaced_and_sorted(nested):
    nested.metadata_props["older"] = "gone"
    assert WriteMetadata({"preset": "tiny", "labels": "[]"})(nested).modified
    assert list(nested.metadata_props.items()) == [("labels", "[]"), ("preset", "tiny")]
    assert (nested.graph.name, nested.producer_name) == ("tiny", "vmamba_deploy")
    assert not WriteMetadata({"preset": "tiny", "labels": "[]"})(nested).modified


def test_stock_onnxruntime_refuses_what_widening_makes_run(bfloat16):
    with pytest.raises(Exception, match="NOT_IMPLEMENTED"):
        ort.InferenceSession(serialised(bfloat16))
    assert WidenBfloat16()(bfloat16).modified
    onnx.checker.check_model(ir.to_proto(bfloat16), full_check=True)
    ort.InferenceSession(serialised(bfloat16))


def test_a_widened_graph_rounds_after_every_op(bfloat16, weights):
    x = np.random.default_rng().normal(size=(5, 16)).astype(np.float32)
    WidenBfloat16()(bfloat16)
    (y,) = ort.InferenceSession(serialised(bfloat16)).run(None, {"x": x})
    product = x.astype(ml_dtypes.bfloat16).astype(np.float64) @ weights.astype(np.float64)
    rounded = product.astype(np.float32).astype(ml_dtypes.bfloat16).astype(np.float32).T
    np.testing.assert_allclose(y, 2 * rounded, rtol=2**-7)
    assert np.mean(y == 2 * rounded) > 0.95


def test_a_graph_without_bfloat16_is_left_alone(nested):
    before = serialised(nested)
    assert not WidenBfloat16()(nested).modified
    assert serialised(nested) == before


def test_widening_a_copy_leaves_the_model_as_it_is(bfloat16):
    ShapeInferencePass()(bfloat16)  # so that every value has a type
    before = serialised(bfloat16)
    assert WidenBfloat16()(bfloat16.clone()).modified
    assert serialised(bfloat16) == before
    assert WidenBfloat16()(bfloat16.clone()).modified


def test_probes_are_outputs_in_float32(bfloat16, weights):
    assert ProbeOutputs({"product": "seen"})(bfloat16).modified
    assert [output.name for output in bfloat16.graph.outputs] == ["y", "seen"]
    WidenBfloat16()(bfloat16)
    x = np.ones((2, 16), np.float32)
    (seen,) = ort.InferenceSession(serialised(bfloat16)).run(["seen"], {"x": x})
    assert seen.dtype == np.float32
    np.testing.assert_allclose(seen, x @ weights.astype(np.float32), rtol=2**-7, atol=0.1)
