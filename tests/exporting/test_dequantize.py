"""Quantization taken out of a graph again, whoever put it in."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir
import pytest

from vmamba_deploy.exporting.dequantize import (
    StripQuantization,
    dequantized,
    quantized_as,
)
from vmamba_deploy.runtimes.onnxruntime import create_session

RNG = np.random.default_rng()


def graph(text: str, arrays: dict[str, np.ndarray]) -> ir.Model:
    proto = onnx.parser.parse_model(text)
    for name, values in arrays.items():
        proto.graph.initializer.append(onnx.numpy_helper.from_array(values, name))
    return ir.serde.deserialize_model(onnx.shape_inference.infer_shapes(proto))


def weight_of(axis: int, zero: str = "") -> str:
    return f"""<ir_version: 10, opset_import: ["": 20]>
        g (float[3] x) => (float[4, 6] y) {{
            y = DequantizeLinear<axis = {axis}>(stored, scale{zero})
        }}"""


@pytest.mark.parametrize("axis", [0, 1, -1, -2])
@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, ml_dtypes.float8_e4m3fn])
def test_the_values_are_those_that_onnx_runtime_computes(axis: int, dtype: type) -> None:
    count = (4, 6)[axis]
    stored = RNG.integers(0, 120, (4, 6)).astype(dtype)
    scale = RNG.uniform(0.01, 2, count).astype(np.float32)
    arrays = {"stored": stored, "scale": scale}
    zero = dtype in (np.int8, np.uint8)
    if zero:
        arrays["zero"] = RNG.integers(0, 100, count).astype(dtype)
    model = graph(weight_of(axis, ", zero" if zero else ""), arrays)
    (y,) = create_session(model).run(None, {"x": np.zeros(3, np.float32)})
    (node,) = model.graph
    np.testing.assert_allclose(dequantized(node), y, rtol=1e-6)


@pytest.mark.parametrize(
    "arrays",
    [
        {"scale": np.ones(5, np.float32)},
        {"scale": np.ones((2, 6), np.float32)},
    ],
)
def test_other_scales_than_one_a_channel_are_refused(arrays: dict[str, np.ndarray]) -> None:
    proto = onnx.parser.parse_model(weight_of(1))
    for name, values in {"stored": np.zeros((4, 6), np.int8), **arrays}.items():
        proto.graph.initializer.append(onnx.numpy_helper.from_array(values, name))
    (node,) = ir.serde.deserialize_model(proto).graph
    with pytest.raises(ValueError, match="scales"):
        dequantized(node)


PAIR = """<ir_version: 10, opset_import: ["": 20]>
    g (float[batch, 4] x) => (float[batch, 6] y) {
        stored = QuantizeLinear(x, scale, zero)
        whole = DequantizeLinear(stored, scale, zero)
        w = DequantizeLinear<axis = 1>(numbers, steps)
        product = MatMul(whole, w)
        q = QuantizeLinear(product, out_scale, zero)
        y = DequantizeLinear(q, out_scale, zero)
    }"""


@pytest.fixture
def pair() -> ir.Model:
    return graph(
        PAIR,
        {
            "scale": np.float32(0.1),
            "out_scale": np.float32(0.3),
            "zero": np.uint8(128),
            "numbers": RNG.integers(-127, 128, (4, 6)).astype(np.int8),
            "steps": RNG.uniform(0.01, 0.1, 6).astype(np.float32),
        },
    )


def test_a_stripped_graph_is_the_one_in_floating_point(pair: ir.Model) -> None:
    numbers, steps = (pair.graph.initializers[name].const_value for name in ("numbers", "steps"))
    weight = numbers.numpy().astype(np.float64) * steps.numpy()
    result = StripQuantization()(pair)
    assert result.modified
    assert [node.op_type for node in pair.graph] == ["MatMul"]
    assert set(pair.graph.initializers) == {"w"}
    assert [output.name for output in pair.graph.outputs] == ["y"]
    x = RNG.standard_normal((5, 4)).astype(np.float32)
    (y,) = create_session(pair).run(None, {"x": x})
    np.testing.assert_allclose(y, x.astype(np.float64) @ weight, rtol=1e-5, atol=1e-6)


def test_a_weight_that_is_quantized_at_run_time_is_left_as_it_is() -> None:
    text = """<ir_version: 10, opset_import: ["": 20]>
        g (float[batch, 4] x) => (float[batch, 6] y) {
            stored = QuantizeLinear<axis = 1>(weight, steps)
            whole = DequantizeLinear<axis = 1>(stored, steps)
            y = MatMul(x, whole)
        }"""
    weight = RNG.standard_normal((4, 6)).astype(np.float32)
    model = graph(text, {"weight": weight, "steps": np.full(6, 0.1, np.float32)})
    StripQuantization()(model)
    (product,) = model.graph
    assert np.array_equal(product.inputs[1].const_value.numpy(), weight)


def test_a_graph_without_such_nodes_stays() -> None:
    text = """<ir_version: 10, opset_import: ["": 20]>
        g (float[batch, 4] x) => (float[batch, 4] y) { y = Relu(x) }"""
    model = graph(text, {})
    assert not StripQuantization()(model).modified
    assert quantized_as(model) is None


@pytest.mark.parametrize(
    ("dtype", "name"),
    [(np.int8, "int8"), (np.uint8, "int8"), (ml_dtypes.float8_e4m3fn, "fp8")],
)
def test_what_a_graph_is_quantized_as(dtype: type, name: str) -> None:
    arrays = {"stored": np.zeros((4, 6), dtype), "scale": np.ones(6, np.float32)}
    assert quantized_as(graph(weight_of(1), arrays)) == name
