"""Widening makes a bfloat16 graph run on the CPU with bfloat16 rounding after every op."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import helper, numpy_helper

from vmamba_deploy.ops.op import BFLOAT16, FLOAT32
from vmamba_deploy.runtimes.widen_bfloat16 import widen_bfloat16, widened_for_cpu


@pytest.fixture
def weights() -> np.ndarray:
    return np.random.default_rng(3).normal(size=(16, 8)).astype(ml_dtypes.bfloat16)


@pytest.fixture
def model(weights) -> onnx.ModelProto:
    tensor = helper.make_tensor("w", BFLOAT16, weights.shape, weights.tobytes(), raw=True)
    nodes = [
        helper.make_node("Cast", ["x"], ["x16"], to=BFLOAT16),
        helper.make_node("MatMul", ["x16", "w"], ["product"]),
        helper.make_node("Transpose", ["product"], ["turned"], perm=[1, 0]),
        helper.make_node("Add", ["turned", "turned"], ["sum"]),
        helper.make_node("Cast", ["sum"], ["y"], to=FLOAT32),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", FLOAT32, ["n", 16])],
        [helper.make_tensor_value_info("y", FLOAT32, [8, "n"])],
        initializer=[tensor],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)


def test_stock_onnxruntime_refuses_what_widening_makes_run(model):
    with pytest.raises(Exception, match="NOT_IMPLEMENTED"):
        ort.InferenceSession(model.SerializeToString())
    assert widen_bfloat16(model) == 2
    onnx.checker.check_model(model, full_check=True)
    ort.InferenceSession(model.SerializeToString())


def test_widened_graph_rounds_after_every_op(model, weights):
    x = np.random.default_rng(4).normal(size=(5, 16)).astype(np.float32)
    session = ort.InferenceSession(widened_for_cpu(model.SerializeToString()))
    (y,) = session.run(None, {"x": x})
    product = x.astype(ml_dtypes.bfloat16).astype(np.float64) @ weights.astype(np.float64)
    rounded = product.astype(np.float32).astype(ml_dtypes.bfloat16).astype(np.float32).T
    np.testing.assert_allclose(y, 2 * rounded, rtol=2**-7)
    assert np.mean(y == 2 * rounded) > 0.95


def test_a_graph_without_bfloat16_is_left_alone(tmp_path):
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", FLOAT32, [4])],
        [helper.make_tensor_value_info("y", FLOAT32, [4])],
        initializer=[numpy_helper.from_array(np.ones(4, np.float32), "w")],
    )
    path = tmp_path / "plain.onnx"
    onnx.save(helper.make_model(graph), path)
    assert widened_for_cpu(path) == str(path)
