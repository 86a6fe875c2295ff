"""Numbers of a grid, the linear layers of a graph, and the pass that quantizes them."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir
import pytest

from vmamba_deploy.exporting.layers import quantizable_layers
from vmamba_deploy.exporting.passes import serialised
from vmamba_deploy.exporting.quantize import (
    GRIDS,
    QuantizeLayers,
    half_steps,
)
from vmamba_deploy.runtimes.onnxruntime import create_session

RNG = np.random.default_rng()
ALL_FP8 = np.arange(256, dtype=np.uint8).view(ml_dtypes.float8_e4m3fn)
FINITE_FP8 = np.unique(ALL_FP8[np.isfinite(ALL_FP8.astype(np.float32))].astype(np.float64))


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("dtype", [ir.DataType.FLOAT, ir.DataType.FLOAT16])
def test_a_scale_covers_the_range_and_little_more(name: str, dtype: ir.DataType) -> None:
    largest = np.exp(RNG.uniform(-3, 8, 10_000))
    grid = GRIDS[name]
    scale = grid.scale(largest, dtype)
    assert scale.dtype == dtype.numpy()
    reached = scale.astype(np.float64) * grid.largest
    assert np.all(reached >= largest)
    assert np.all(reached <= largest * (1 + 2 * float(np.finfo(dtype.numpy()).eps)))


@pytest.mark.parametrize("name", GRIDS)
def test_a_channel_of_zeros_has_a_positive_scale(name: str) -> None:
    scale = GRIDS[name].scale(np.zeros(3), ir.DataType.FLOAT16)
    assert np.all(scale > 0)
    assert not GRIDS[name].rounded(np.zeros((2, 3)), scale).astype(float).any()


def nearest(values: np.ndarray, table: np.ndarray) -> np.ndarray:
    """The distance to the nearest number of a sorted table."""
    place = np.clip(np.searchsorted(table, values), 1, len(table) - 1)
    return np.minimum(abs(values - table[place - 1]), abs(values - table[place]))


@pytest.mark.parametrize(
    ("name", "table"), [("int8", np.arange(-127.0, 128.0)), ("fp8", FINITE_FP8)]
)
def test_a_value_becomes_the_nearest_number_of_the_grid(name: str, table: np.ndarray) -> None:
    grid = GRIDS[name]
    values = RNG.standard_normal((500, 40)) * np.exp(RNG.uniform(-8, 4, 40))
    scale = grid.scale(abs(values).max(axis=0), ir.DataType.FLOAT).astype(np.float64)
    stored = grid.rounded(values, scale)
    assert stored.dtype == grid.dtype.numpy()
    numbers = stored.astype(np.float64)
    assert np.isin(numbers, table).all()
    error = abs(values / scale - numbers)
    assert np.allclose(error, nearest(values / scale, table), rtol=1e-6, atol=1e-9)
    assert np.all(error <= half_steps(stored) * (1 + 1e-9))


@pytest.mark.parametrize("name", GRIDS)
def test_what_is_beyond_the_range_is_clipped(name: str) -> None:
    grid = GRIDS[name]
    stored = grid.rounded(np.array([[1e6], [-1e6]]), np.ones(1))
    assert stored.astype(float).ravel().tolist() == [grid.largest, -grid.largest]


def test_half_a_step_of_fp8_is_half_the_distance_of_its_neighbours() -> None:
    wider = np.maximum(np.diff(FINITE_FP8)[:-1], np.diff(FINITE_FP8)[1:])
    inner = FINITE_FP8[1:-1]
    found = half_steps(inner.astype(ml_dtypes.float8_e4m3fn))
    assert np.array_equal(found, wider / 2)


def network(text: str, weights: dict[str, np.ndarray]) -> ir.Model:
    proto = onnx.parser.parse_model(text)
    for name, values in weights.items():
        proto.graph.initializer.append(onnx.numpy_helper.from_array(values, name))
    return ir.serde.deserialize_model(onnx.shape_inference.infer_shapes(proto))


TWO_READERS = """<ir_version: 10, opset_import: ["": 20]>
    g (float[batch, 5, 24] x) => (float[batch, 5, 16] y, float[batch, 5, 8] z, float[1, 3] w) {
        y = MatMul(x, first_weight)
        z = MatMul(x, second_weight)
        c = MatMul(one, three)
        w = Identity(c)
    }"""


@pytest.fixture
def two_readers() -> tuple[ir.Model, dict[str, np.ndarray]]:
    weights = {
        "first_weight": RNG.standard_normal((24, 16)).astype(np.float32),
        "second_weight": RNG.standard_normal((24, 8)).astype(np.float32),
        "one": np.ones((1, 2), np.float32),
        "three": np.ones((2, 3), np.float32),
    }
    return network(TWO_READERS, weights), weights


def test_the_layers_of_a_graph(two_readers) -> None:
    model, _ = two_readers
    layers = list(quantizable_layers(model))
    assert [(layer.name, layer.features) for layer in layers] == [
        ("first", (24, 16)),
        ("second", (24, 8)),
        ("three", (2, 3)),
    ]
    assert not any(layer.beside_scan for layer in layers)


def test_what_pools_or_resizes_a_map_is_no_layer() -> None:
    """R x C^T by constants: as a pooling pyramid has it, in float32 in every precision."""
    weights = {
        "rows": np.full((3, 8), 1 / 8, np.float32),
        "columns": np.full((8, 3), 1 / 8, np.float32),
        "fc_weight": RNG.standard_normal((3, 5)).astype(np.float32),
    }
    text = """<ir_version: 10, opset_import: ["": 20]>
    g (float[batch, 4, 8, 8] x) => (float[batch, 4, 3, 5] y) {
        a = MatMul(rows, x)
        b = MatMul(a, columns)
        y = MatMul(b, fc_weight)
    }"""
    assert [layer.name for layer in quantizable_layers(network(text, weights))] == ["fc"]


def emulated(grid_name: str, x: np.ndarray, weight: np.ndarray, largest: float) -> np.ndarray:
    """The product in float64, of numbers rounded by another code than the pass's."""
    most = GRIDS[grid_name].largest

    def rounded(values: np.ndarray) -> np.ndarray:
        if grid_name == "int8":
            return np.clip(np.round(values), -128, 127)
        clipped = np.clip(values, -most, most).astype(np.float32)
        return clipped.astype(ml_dtypes.float8_e4m3fn).astype(np.float64)

    step = np.float32(largest / most)
    steps = (abs(weight.astype(np.float64)).max(axis=0) / most).astype(np.float32)
    whole = rounded(x / step) * np.float64(step)
    return whole @ (rounded(weight / steps) * steps.astype(np.float64))


@pytest.mark.parametrize("grid", GRIDS)
def test_the_graph_computes_the_products_of_rounded_numbers(two_readers, grid: str) -> None:
    """On inputs beyond the range as well, which are clipped."""
    model, weights = two_readers
    x = RNG.standard_normal((3, 5, 24)).astype(np.float32) * 2
    largest = {"first": 3.0, "second": 2.5}
    QuantizeLayers(GRIDS[grid], largest)(model)
    onnx.checker.check_model(serialised(model), full_check=True)
    y, z, _ = create_session(model).run(None, {"x": x})
    for got, name in ((y, "first_weight"), (z, "second_weight")):
        # Layers that read one map have one pair, for the larger range.
        wanted = emulated(grid, x.astype(np.float64), weights[name], 3.0)
        exact = np.clip(x, -3, 3).astype(np.float64) @ weights[name].astype(np.float64)
        rounding = np.square(wanted - exact).mean()
        # One number in a thousand may lie so near a half that float32 rounds it the other way.
        assert np.square(got - wanted).mean() < 1e-2 * rounding
        assert rounding > 0


def test_layers_that_read_one_map_are_both_fused_on_a_cpu(two_readers, tmp_path: Path) -> None:
    """A pair of its own for each, that ONNX Runtime does not make one of."""
    model, _ = two_readers
    QuantizeLayers(GRIDS["int8"], {"first": 3.0, "second": 2.5})(model)
    scales = {node.inputs[1] for node in model.graph if node.op_type == "QuantizeLinear"}
    first, second = sorted(float(scale.const_value.numpy()) for scale in scales)
    assert second == np.nextafter(np.float32(first), np.float32(1))
    assert "first_weight" not in model.graph.initializers
    written = tmp_path / "optimized.onnx"
    create_session(model, precision="int8", optimized_file=written)
    ops = [node.op_type for node in onnx.load(written).graph.node]
    assert ops.count("MatMulIntegerToFloat") == 2


def test_layers_over_float16_that_read_one_map_share_a_pair() -> None:
    weights = {name: RNG.standard_normal((24, 16)).astype(np.float16) for name in ("a", "b")}
    text = """<ir_version: 10, opset_import: ["": 20]>
    g (float16[batch, 24] x) => (float16[batch, 16] y, float16[batch, 16] z) {
        y = MatMul(x, a)
        z = MatMul(x, b)
    }"""
    model = network(text, weights)
    QuantizeLayers(GRIDS["int8"], {"a": 3.0, "b": 2.5})(model)
    ops = [node.op_type for node in model.graph]
    assert ops.count("QuantizeLinear") == 1
    assert ops.count("DequantizeLinear") == 3


def test_a_layer_that_is_not_named_stays(two_readers) -> None:
    model, weights = two_readers
    assert QuantizeLayers(GRIDS["int8"], {"second": 2.5})(model).modified
    kept, *_ = quantizable_layers(model)
    assert kept.name == "first"
    assert np.array_equal(kept.weight.const_value.numpy(), weights["first_weight"])
    assert not QuantizeLayers(GRIDS["int8"], {})(model).modified


HALF = """<ir_version: 10, opset_import: ["": 20]>
    g (float[batch, 24] x) => (float16[batch, 16] y) {
        h = Cast<to = 10>(x)
        y = MatMul(h, fc_weight)
    }"""


def test_a_pair_takes_the_place_of_a_cast_to_half_precision() -> None:
    """It quantizes the float32 map, and gives float16; both scales are one number."""
    weight = RNG.standard_normal((24, 16)).astype(np.float16)
    model = network(HALF, {"fc_weight": weight})
    QuantizeLayers(GRIDS["int8"], {"fc": 2.3})(model)
    ops = {node.op_type: node for node in model.graph if node.inputs[0].name != "fc_weight"}
    assert "Cast" not in ops
    scales = [ops[name].inputs[1] for name in ("QuantizeLinear",)]
    pair = ops["QuantizeLinear"].outputs[0].uses()[0].node
    scales.append(pair.inputs[1])
    assert [scale.dtype for scale in scales] == [ir.DataType.FLOAT, ir.DataType.FLOAT16]
    before, after = (float(scale.const_value.numpy()) for scale in scales)
    assert before == after >= 2.3 / 127
    x = RNG.uniform(-2.3, 2.3, (7, 24)).astype(np.float32)
    (y,) = create_session(model).run(None, {"x": x})
    exact = x.astype(np.float64) @ weight.astype(np.float64)
    assert np.square(y - exact).mean() < 1e-3 * np.square(exact).mean()


CONVOLUTIONS = """<ir_version: 10, opset_import: ["": 20]>
    g (float[batch, 16, 7, 9] x) => (float[batch, 24, 3, 4] y, float[batch, 20, 3, 4] z) {
        a = Conv<pads = [1, 1, 1, 1]>(x, first_weight, bias)
        b = Conv<strides = [2, 2]>(a, second_weight)
        y = Relu(b)
        c = Conv<strides = [2, 2]>(x, third_weight)
        z = Neg(c)
    }"""


def convolved(x: np.ndarray, weight: np.ndarray, *, pad: int, stride: int) -> np.ndarray:
    """In float64, by its definition."""
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, weight.shape[2:], axis=(2, 3))
    return np.einsum("bchwij,ocij->bohw", windows[:, :, ::stride, ::stride], weight)


def on_grid(values: np.ndarray, largest: float | np.ndarray) -> np.ndarray:
    step = np.asarray(largest / 127, np.float32).astype(np.float64)
    return np.clip(np.round(values / step), -128, 127) * step


def test_a_convolution_reads_and_writes_8_bits(tmp_path: Path) -> None:
    """One behind the other, and two that read one map."""
    weights = {
        "first_weight": RNG.standard_normal((20, 16, 3, 3)).astype(np.float32),
        "second_weight": RNG.standard_normal((24, 20, 3, 3)).astype(np.float32),
        "third_weight": RNG.standard_normal((20, 16, 3, 3)).astype(np.float32),
        "bias": RNG.standard_normal(20).astype(np.float32),
    }
    model = network(CONVOLUTIONS, weights)
    x = RNG.standard_normal((2, 16, 7, 9)).astype(np.float32)
    most = float(abs(x).max())
    largest = {"first": most, "second": 40.0, "third": most}
    results = {"first": 40.0, "second": 200.0, "third": 30.0}
    QuantizeLayers(GRIDS["int8"], largest, results)(model)
    onnx.checker.check_model(serialised(model), full_check=True)

    def layer(name: str, maps: np.ndarray, *, pad: int = 0, stride: int = 2) -> np.ndarray:
        values = weights[f"{name}_weight"].astype(np.float64)
        rounded = on_grid(values, abs(values).max(axis=(1, 2, 3), keepdims=True))
        return convolved(on_grid(maps, largest[name]), rounded, pad=pad, stride=stride)

    first = layer("first", x, pad=1, stride=1) + weights["bias"][:, None, None]
    second = on_grid(layer("second", on_grid(first, results["first"])), results["second"])
    third = on_grid(layer("third", x), results["third"])
    y, z = create_session(model, precision="int8").run(None, {"x": x})
    # A number that lies near a half may be rounded the other way: one step, and more behind it.
    assert np.mean(np.abs(-z - third) > 1e-4) < 0.02
    assert np.abs(-z - third).max() < 1.01 * results["third"] / 127
    error = np.square(y - np.maximum(second, 0)).mean()
    assert error < 1e-3 * np.square(second).mean()
    written = tmp_path / "optimized.onnx"
    create_session(model, precision="int8", optimized_file=written)
    ops = [node.op_type for node in onnx.load(written).graph.node]
    assert ops.count("QLinearConv") == 3
