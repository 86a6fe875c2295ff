"""The part of a quantized file's proof that looks into the engine, on engines that are wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnx_ir as ir
import pytest
from msgspec.structs import replace

from samples.train_digits.digits_data import PREPROCESSING
from tests.digits import BATCH, HAS_RTX
from vmamba_deploy.artifacts.engine_facts import EngineFacts
from vmamba_deploy.artifacts.manifest import read_manifest
from vmamba_deploy.errors import BuildError
from vmamba_deploy.exporting.dequantize import DEQUANTIZE, QUANTIZE, dequantized
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.pipeline.engine import build_engine_file
from vmamba_deploy.pipeline.events import Event, Steps
from vmamba_deploy.quantization.images import calibration_images
from vmamba_deploy.quantization.proof import check_engine, check_launches
from vmamba_deploy.quantization.quantize import BESIDE_SCAN, calibrate, write_quantized
from vmamba_deploy.quantization.results import Check, QuantizationProof
from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan

pytestmark = pytest.mark.skipif(not HAS_RTX, reason="tensorrt_rtx is not installed")
PLAN = EnginePlan("rtx", batches=(1, BATCH))


@pytest.fixture
def model(digits_artifact) -> OnnxModel:
    return OnnxModel.read(digits_artifact("int8") / "model.onnx")


@pytest.fixture
def engine(digits_artifact) -> EngineFacts:
    return read_manifest(digits_artifact("int8")).engine


def checked(model: OnnxModel, engine: EngineFacts) -> Check:
    assert model.quantization is not None
    return check_engine(model, model.quantization, engine)


def constant(graph: ir.Graph, name: str, values: npt.NDArray[np.generic]) -> ir.Value:
    tensor = ir.tensor(values, name=name)
    value = ir.Value(
        name=name,
        type=ir.TensorType(tensor.dtype),
        shape=ir.Shape(values.shape),
        const_value=tensor,
    )
    graph.register_initializer(value)
    return value


def a_weight(graph: ir.Graph) -> ir.Node:
    """The DequantizeLinear of fc1's weight in the first block."""
    return next(
        node
        for node in graph
        if node.op_type == DEQUANTIZE and "fc1.weight" in (node.outputs[0].name or "")
    )


def lose_a_weight(graph: ir.Graph) -> None:
    node = a_weight(graph)
    whole = constant(graph, "whole", dequantized(node))
    ir.convenience.replace_all_uses_with(node.outputs[0], whole)


def double_a_weight(graph: ir.Graph) -> None:
    """What stands between the stored numbers and the product keeps them apart."""
    node = a_weight(graph)
    ((product, index),) = node.outputs[0].uses()
    double = ir.node("Mul", [node.outputs[0], constant(graph, "two", np.array(2, np.float16))])
    graph.insert_before(product, double)
    product.replace_input_with(index, double.outputs[0])


@pytest.mark.parametrize("change", [lose_a_weight, double_a_weight])
def test_a_product_that_is_not_of_eight_bits_is_named(
    model: OnnxModel, tmp_path: Path, change: Callable[[ir.Graph], None]
) -> None:
    change(model.ir.graph)
    onnx.save(ir.to_proto(model.ir), str(tmp_path / "model.onnx"))
    broken = OnnxModel.read(tmp_path / "model.onnx")
    found = checked(broken, build_engine_file(broken, PLAN, Steps(lambda _event: None)))
    count = len(broken.quantization.quantized)
    assert found.status == "failed"
    assert found.reason == (
        f"{count - 1} of {count} layers multiply in int8; not layers.0.blocks.0.mlp.fc1"
    )


def test_unsigned_numbers_are_refused_with_a_remedy(model: OnnxModel, tmp_path: Path) -> None:
    graph = model.ir.graph
    middle = constant(graph, "middle", np.array(128, np.uint8))
    quantize = next(node for node in graph if node.op_type == QUANTIZE)
    ((dequantize, _),) = quantize.outputs[0].uses()
    for node in (quantize, dequantize):
        node.replace_input_with(2, middle)
    quantize.outputs[0].dtype = ir.DataType.UINT8
    onnx.save(ir.to_proto(model.ir), str(tmp_path / "model.onnx"))
    with pytest.raises(BuildError, match="Non-zero zero point") as told:
        build_engine_file(OnnxModel.read(tmp_path / "model.onnx"), PLAN, Steps(lambda _event: None))
    assert "ActivationSymmetric" in told.value.hint


def test_a_right_engine_passes(model, engine) -> None:
    found = checked(model, engine)
    count = len(model.quantization.quantized)
    assert (found.status, found.reason) == ("passed", f"{count} of {count} layers multiply in int8")


def test_launches_that_only_quantize_are_counted_and_named_by_layer(model, engine) -> None:
    """The digits network has one: on maps of one pixel nothing follows that takes the scale."""
    found = check_launches(model, engine)
    assert (found.name, found.status) == ("launches", "slow")
    layer = "layers.3.blocks.0.op.in_proj"
    assert found.reason == f"1 of {engine.launches} do nothing but quantize: {layer}"
    fused = check_launches(model, replace(engine, lone_launches=None))
    assert (fused.status, fused.reason) == (
        "passed",
        f"none of {engine.launches} does nothing but quantize",
    )
    assert not QuantizationProof(None, (), (found, fused)).failures


def test_a_layer_beside_a_scan_costs_a_launch_and_is_named(
    digits_artifact, digits_base, tmp_path: Path
) -> None:
    """Why x_proj is kept: no plugin takes the scale of what it reads."""
    base = digits_base("fp16")
    images = calibration_images(None, base, PREPROCESSING)
    facts = calibrate(base, images, lambda *_: None, precision="int8")
    layers = tuple(
        replace(layer, kept=None) if layer.kept == BESIDE_SCAN else layer for layer in facts.layers
    )
    file = write_quantized(base, replace(facts, layers=layers), "int8", tmp_path / "model.onnx")
    warnings: list[Event] = []
    engine = build_engine_file(file, PLAN, Steps(warnings.append))
    found = check_launches(file, engine)
    assert found.status == "slow"
    for stage in range(4):
        assert f"layers.{stage}.blocks.0.op.x_proj" in found.reason
    kept = read_manifest(digits_artifact("int8")).engine
    assert engine.launches - kept.launches == len(engine.lone_launches) - len(kept.lone_launches)
    assert any("do nothing but quantize" in event.message for event in warnings)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"launches": None}, "lists no layers in a form that we know"),
        ({"built": False, "reason": "not asked for"}, "not asked for"),
    ],
)
def test_what_cannot_be_seen_is_skipped(model, engine, change, words) -> None:
    changed = replace(engine, **change)
    for found in (checked(model, changed), check_launches(model, changed)):
        assert found.status == "skipped"
        assert words in found.reason


def test_an_engine_without_any_narrow_product_fails(model, engine) -> None:
    found = checked(model, replace(engine, narrow_products=None))
    assert found.status == "failed"
    assert found.reason.startswith("0 of ")
    assert "more" in found.reason
