"""That ONNX Runtime fuses each layer to a product of integers; the engine's part is beside it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from tests.quantization.linear_chain import pictures
from vmamba_deploy.artifacts.quantization_facts import QuantizationFacts
from vmamba_deploy.exporting.dequantize import dequantized as dequantized_weight
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.quantization.proof import (
    check_engine,
    check_fused,
    check_openvino,
    optimized_ops,
)
from vmamba_deploy.quantization.quantize import calibrate, kept, write_quantized
from vmamba_deploy.quantization.structure import check_structure


def reason(facts: QuantizationFacts, *, products: int = 0, expected: int = 0) -> str:
    """What the check says; of the linear layers, with so many more or fewer."""
    convolutions = len(facts.results)
    linear = len(facts.quantized) - convolutions
    return (
        f"{linear + products} of {linear + expected} layers are MatMulIntegerToFloat, "
        f"{convolutions} of {convolutions} layers are QLinearConv"
    )


def test_every_layer_of_the_record_is_counted(quantized_digits) -> None:
    made = quantized_digits()
    found = check_fused(made.file, made.facts)
    assert (found.name, found.status) == ("onnxruntime", "passed")
    assert found.reason == reason(made.facts)
    assert optimized_ops(made.file)["MatMul"] == 0
    assert len(made.facts.results) == 2


def dequantized(model: ir.Model, which: int) -> ir.Value:
    """What a quantized layer reads."""
    products = [node for node in model.graph if node.op_type == "MatMul"]
    return products[which].inputs[0]


def another_reader(model: ir.Model) -> None:
    """Of what the second quantized layer reads: the pair is not the layer's alone."""
    value = dequantized(model, 1)
    double = ir.node("Add", [value, value])
    double.outputs[0].name, double.outputs[0].type = "read_twice", value.type
    model.graph.append(double)
    model.graph.outputs.append(double.outputs[0])


def no_pair(model: ir.Model) -> None:
    whole = dequantized(model, 2)
    whole.uses()[0].node.replace_input_with(0, whole.producer().inputs[0].producer().inputs[0])


@pytest.mark.parametrize("change", [another_reader, no_pair])
def test_a_layer_that_is_not_fused_fails(quantized_digits, tmp_path: Path, change) -> None:
    made = quantized_digits()
    copy = made.file.ir.clone()
    change(copy)
    ir.save(copy, tmp_path / "model.onnx")  # ONNX Runtime reads the file, not what was read of it
    found = check_fused(OnnxModel.read(tmp_path / "model.onnx"), made.facts)
    assert (found.status, found.reason) == ("failed", reason(made.facts, products=-1))


def test_a_convolution_whose_result_stays_in_float_fails(quantized_digits, tmp_path: Path) -> None:
    made = quantized_digits()
    copy = made.file.ir.clone()
    result = next(
        node.inputs[0]
        for node in copy.graph
        if node.op_type == "QuantizeLinear" and node.inputs[0].producer().op_type == "Conv"
    )
    (quantize,) = (use.node for use in result.uses())
    (dequantize,) = (use.node for use in quantize.outputs[0].uses())
    ir.convenience.replace_all_uses_with(dequantize.outputs[0], result)
    ir.save(copy, tmp_path / "model.onnx")
    found = check_fused(OnnxModel.read(tmp_path / "model.onnx"), made.facts)
    assert found.status == "failed"
    assert found.reason.endswith("1 of 2 layers are QLinearConv")


def test_a_layer_that_the_record_does_not_name_fails(quantized_digits) -> None:
    made = quantized_digits()
    found = check_fused(made.file, kept(made.facts, [made.facts.layers[0].name], "it says so"))
    assert (found.status, found.reason) == ("failed", reason(made.facts, expected=-1))


@pytest.mark.parametrize(("precision", "base"), [("int8", "fp16"), ("fp8", "fp32")])
def test_what_no_cpu_fuses_is_skipped(quantized_digits, precision: str, base: str) -> None:
    made = quantized_digits(precision, base)
    found = check_fused(made.file, made.facts)
    assert found.status == "skipped"
    assert f"{precision} over {base} runs unfused" in found.reason


SHARED = """<ir_version: 10, opset_import: ["": 20]>
g (float[1, 3, 8, 8] pixel_values) => (float[1, 3] logits) <float[3, 3] fc_weight, int64[2] axes> {
    map = Transpose<perm=[0, 2, 3, 1]>(pixel_values)
    first = MatMul(map, fc_weight)
    positive = Sigmoid(first)
    second = MatMul(positive, fc_weight)
    logits = ReduceMean<keepdims=0>(second, axes)
}"""


def test_products_that_share_a_weight_are_counted_one_by_one(tmp_path: Path) -> None:
    rng = np.random.default_rng()
    proto = onnx.parser.parse_model(SHARED)
    for node in proto.graph.node:
        node.name = node.output[0]
    values = {"fc_weight": rng.standard_normal((3, 3)).astype(np.float32), "axes": np.array([1, 2])}
    proto.graph.initializer.extend(
        onnx.numpy_helper.from_array(array, name) for name, array in values.items()
    )
    onnx.save(onnx.shape_inference.infer_shapes(proto), tmp_path / "base.onnx")
    base = OnnxModel.read(tmp_path / "base.onnx")
    images = pictures(rng, base, 4)
    facts = calibrate(base, images, lambda _what, _done: None, precision="int8")
    assert (list(facts.quantized), facts.products) == (["fc"], 2)
    file = write_quantized(base, facts, "int8", tmp_path / "model.onnx")
    assert check_structure(base, file, facts).status == "passed"
    found = check_fused(file, facts)
    assert (found.status, found.reason) == ("passed", "2 of 2 layers are MatMulIntegerToFloat")
    engine = SimpleNamespace(built=True, launches=5, narrow_products=("second",))
    seen = check_engine(file, facts, engine)
    assert (seen.status, seen.reason) == ("failed", "1 of 2 layers multiply in int8; not fc")


def test_openvino_multiplies_every_layer_in_8_bits(quantized_digits) -> None:
    pytest.importorskip("openvino")
    made = quantized_digits()
    found = check_openvino(made.file, made.facts)
    linear = len(made.facts.quantized) - len(made.facts.results)
    assert (found.name, found.status) == ("openvino", "passed")
    expected = f"in 8 bits {linear} of {linear} are FullyConnected, 2 of 2 are Convolution"
    assert found.reason == expected


def test_a_layer_that_openvino_does_not_multiply_in_8_bits_is_told(
    quantized_digits, tmp_path: Path
) -> None:
    """It is as right, so that an export does not fail of it."""
    pytest.importorskip("openvino")
    made = quantized_digits()
    copy = made.file.ir.clone()
    no_pair(copy)
    product = [node for node in copy.graph if node.op_type == "MatMul"][2]
    weight = ir.tensor(dequantized_weight(product.inputs[1].producer()), name="whole")
    whole = ir.Value(name="whole", const_value=weight, type=ir.TensorType(weight.dtype))
    copy.graph.register_initializer(whole)
    product.replace_input_with(1, whole)
    ir.save(copy, tmp_path / "model.onnx")
    found = check_openvino(OnnxModel.read(tmp_path / "model.onnx"), made.facts)
    linear = len(made.facts.quantized) - len(made.facts.results)
    assert found.status == "slow"
    assert f"{linear - 1} of {linear} are FullyConnected" in found.reason


def test_openvino_is_not_asked_where_nothing_is_multiplied_in_8_bits(quantized_digits) -> None:
    made = quantized_digits("int8", "fp16")
    assert check_openvino(made.file, made.facts).status == "skipped"
