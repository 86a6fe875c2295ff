"""TensorRT's list of an engine's layers: how it is read, and what it says of real engines."""

from __future__ import annotations

from types import SimpleNamespace

import onnx
import onnx.parser
import onnx_ir as ir
import pytest

from tests.digits import HAS_RTX
from vmamba_deploy.artifacts.manifest import read_manifest
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.runtimes.tensorrt.engine_layers import (
    EngineLayer,
    is_layer_list,
    listed_layers,
    lone_launches,
    quantized_products,
)

# As TensorRT-RTX 1.7.1 prints them, without strides and formats.
LIST = """Layers:
Name: __mye4_0_myl0_0, LayerType: shape_call, Inputs: [], Constants: [], Outputs: [], Metadata: 
Name: __myl_MeanSubRounCast_myl0_1, LayerType: kgen, Inputs: [ { Name: x, Dimensions: [-1,96], \
Datatype: Half, Format: (Linear) }], Constants: [], Outputs: [ { Name: q, Dimensions: [-1,96], \
Datatype: Int8, Format: (Linear) }], TacticName: __myl_0x5a, StreamId: 0, \
Metadata: [ONNX Layer: norm][ONNX Layer: QuantizeLinear_x]
Name: fc1_myl0_2, LayerType: gemm, Inputs: [ { Name: q, Dimensions: [-1,96], Datatype: Int8, \
Format: (Linear) }], Constants: [ { Name: w, Dimensions: [96,384], Datatype: Int8, Format: \
(Linear) }, { Name: alpha, Dimensions: [1], Datatype: Float, Format: (Linear) }], Outputs: [ { \
Name: y, Dimensions: [-1,384], Datatype: Half, Format: (Linear) }], TacticName: stub, \
Metadata: [ONNX Layer: fc1][ONNX Layer: DequantizeLinear_x]
Name: fc2_myl0_3, LayerType: gemm, Inputs: [ { Name: y, Dimensions: [-1,384], Datatype: Half, \
Format: (Linear) }], Constants: [ { Name: v, Dimensions: [384,96], Datatype: Int8, Format: \
(Linear) }], Outputs: [ { Name: z, Datatype: Half }], Metadata: [ONNX Layer: fc2]

I/O Tensors:
 Name: x, IOMode: Input, DataType: Float, Dimensions: [-1,96], Location: Device
"""  # noqa: W291 - as it is printed


def test_layers_are_read_with_their_dtypes_and_nodes() -> None:
    assert is_layer_list(LIST)
    shapes, norm, narrow, wide = listed_layers([LIST])
    assert (shapes.kind, shapes.inputs, shapes.nodes) == ("shape_call", (), frozenset())
    assert (norm.kind, norm.inputs) == ("kgen", ("Half",))
    assert narrow.nodes == {"fc1", "DequantizeLinear_x"}
    assert narrow.constants == ("Int8", "Float")
    assert [layer.narrow for layer in (shapes, norm, narrow, wide)] == [False, False, True, False]


@pytest.mark.parametrize(("dtype", "narrow"), [("FP8", True), ("UInt8", False), ("Float", False)])
def test_what_counts_as_eight_bits(dtype: str, narrow: bool) -> None:
    layers = listed_layers([LIST.replace("Datatype: Int8", f"Datatype: {dtype}")])
    assert layers[2].narrow is narrow


@pytest.mark.parametrize("text", ["", "Layer: fc1", "Layers:\n  fc1 (gemm): Int8\n"])
def test_another_form_is_no_list(text: str) -> None:
    assert listed_layers([text]) == []


def test_the_last_list_counts() -> None:
    assert len(listed_layers(["Layers:\n", LIST])) == 4
    assert listed_layers([]) == []


FC1 = ("node_linear", "QuantizeLinear_x", "DequantizeLinear_x", "DequantizeLinear_w")
"""Of one layer of `PAIRS`: the product, its map's pair, and its weight's node."""
PAIRS = """<ir_version: 10, opset_import: ["": 20]>
    g (float[batch, 24] x) => (float[batch, 16] y)
    <float scale = {0.1}, int8 zero = {0}, int8[24, 16] w> {
        [norm] n = LayerNormalization(x, scale)
        [QuantizeLinear_x] q = QuantizeLinear(n, scale, zero)
        [DequantizeLinear_x] d = DequantizeLinear(q, scale, zero)
        [DequantizeLinear_w] v = DequantizeLinear(w, scale, zero)
        [node_linear] p = MatMul(d, v)
        [gelu] y = Gelu(p)
    }"""


@pytest.fixture
def pairs() -> SimpleNamespace:
    return SimpleNamespace(ir=ir.serde.deserialize_model(onnx.parser.parse_model(PAIRS)))


def layer(name: str, inputs: str, *nodes: str) -> EngineLayer:
    return EngineLayer(name, "kgen", (inputs,), (), frozenset(nodes))


NORM = layer("norm", "Half", "norm", "QuantizeLinear_x")
PRODUCT = EngineLayer("fc1", "gemm", ("Int8",), ("Int8",), frozenset(FC1[:1] + FC1[2:]))
GELU = layer("gelu", "Half", *FC1[:1], *FC1[2:], "gelu")


@pytest.mark.parametrize(
    ("layers", "lone"),
    [
        ([NORM, PRODUCT, GELU], ()),
        ([layer("norm", "Half", "norm"), layer("q", "Half", FC1[1]), PRODUCT, GELU], (FC1[1],)),
        (
            [NORM, PRODUCT, layer("s", "Half", FC1[0], *FC1[2:]), layer("g", "Half", "gelu")],
            FC1[:1],
        ),
        ([NORM, layer("reformat", "Int8"), PRODUCT, GELU], ("reformat",)),
        ([layer("shapes", "Half"), NORM, PRODUCT, GELU], ()),
        # A product that is not of 8 bits is a fault of its own, and no launch too many.
        ([NORM, layer("gemm", "Half", FC1[0], *FC1[2:]), GELU], ()),
        ([], ()),
    ],
    ids=["fused", "quantizes", "scales", "moves", "shapes", "a wide product", "nothing listed"],
)
def test_what_is_launched_for_the_quantization_alone(pairs, layers, lone) -> None:
    assert lone_launches(pairs, layers) == lone


@pytest.mark.skipif(not HAS_RTX, reason="tensorrt_rtx is not installed")
@pytest.mark.parametrize("precision", ["int8", "fp8"])
def test_every_quantized_product_is_narrow_in_the_engine(digits_artifact, precision) -> None:
    folder = digits_artifact(precision)
    model, engine = OnnxModel.read(folder / "model.onnx"), read_manifest(folder).engine
    assert set(engine.narrow_products) == set(quantized_products(model))
    assert len(engine.narrow_products) == len(model.quantization.quantized) > 10
    # Nothing stands between a product and its neighbours but the scale of the last stage's in_proj:
    # on this network's maps of one pixel there is no transposition that would take it.
    products = [node for node in model.ir.graph if node.op_type == "MatMul"]
    weights = {node.name: node.inputs[1].name for node in products}
    assert [weights[name] for name in engine.lone_launches] == [
        "layers.3.blocks.0.op.in_proj.weight_transposed"
    ]
    launches = read_manifest(digits_artifact("fp16")).engine.launches
    assert engine.launches == launches + len(engine.lone_launches)


@pytest.mark.skipif(not HAS_RTX, reason="tensorrt_rtx is not installed")
def test_fp8_is_for_gpus_that_have_it(digits_artifact) -> None:
    engine = read_manifest(digits_artifact("fp8")).engine
    assert engine.compute_capabilities == ("8.9", "12.0", "12.1")
    assert "for GPUs of compute capability 8.9" in engine.fits(compute_capability="8.6")
    assert read_manifest(digits_artifact("int8")).engine.compute_capabilities == ()


@pytest.mark.skipif(not HAS_RTX, reason="tensorrt_rtx is not installed")
def test_an_engine_in_full_precision_has_no_narrow_product(digits_artifact) -> None:
    engine = read_manifest(digits_artifact("fp16")).engine
    assert engine.narrow_products is None
    assert engine.lone_launches is None
    assert engine.launches > engine.plugin_layers
