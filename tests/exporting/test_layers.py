"""Which layers of a graph can be in 8 bits."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir
import pytest

from vmamba_deploy.exporting.layers import Layer, quantizable_layers

TEXT = """<ir_version: 10, opset_import: ["": 20]>
    g (float[batch, 3, 8, 8] image) => (float[batch, 24, 8, 4] y) {
        moving = Identity(square)
        a = Conv<pads = [1, 1, 1, 1]>(image, stem_weight)
        b = Conv<pads = [1, 1, 1, 1], group = 16>(a, depthwise_weight)
        c = Conv<pads = [1, 1, 1, 1]>(b, wide_weight, bias)
        d = MatMul(c, fc_weight)
        e = MatMul(d, moving)
        f = Conv(e, twice_weight)
        h = Add(f, f)
        y = Conv(h, head_weight)
    }"""


@pytest.fixture
def layers() -> dict[str, Layer]:
    shapes = {
        "stem_weight": (16, 3, 3, 3),
        "depthwise_weight": (16, 1, 3, 3),
        "wide_weight": (24, 16, 3, 5),
        "bias": (24,),
        "fc_weight": (6, 4),
        "square": (4, 4),
        "twice_weight": (24, 24, 1, 1),
        "head_weight": (24, 24, 1, 1),
    }
    proto = onnx.parser.parse_model(TEXT)
    for name, shape in shapes.items():
        values = np.random.default_rng().standard_normal(shape).astype(np.float32)
        proto.graph.initializer.append(onnx.numpy_helper.from_array(values, name))
    return {layer.name: layer for layer in quantizable_layers(ir.serde.deserialize_model(proto))}


def test_linear_layers_and_wide_convolutions_are_layers(layers: dict[str, Layer]) -> None:
    assert list(layers) == ["wide", "fc"]


def test_a_convolution_has_the_numbers_of_its_window(layers: dict[str, Layer]) -> None:
    wide, fc = layers["wide"], layers["fc"]
    assert (wide.features, wide.channel_axis, wide.convolution) == ((16 * 3 * 5, 24), 0, True)
    assert (fc.features, fc.channel_axis, fc.convolution) == ((6, 4), 1, False)
    assert (wide.source.name, wide.result.name) == ("b", "c")
