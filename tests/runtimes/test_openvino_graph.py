"""What the graph is turned into for OpenVINO's plugin."""

from __future__ import annotations

import numpy as np
import pytest

from vmamba_deploy.runtimes.openvino_graph import fuse_silu_into_convolutions

ov = pytest.importorskip("openvino")
op = pytest.importorskip("openvino.opset13")
OPTIONS = {"INFERENCE_PRECISION_HINT": "f32"}


def a_block(*, order=(0, 2, 3, 1), gate=None, bias=True):
    """image [1,3,9,8] -> convolution -> transposition -> x * sigmoid(gate(x))."""
    generator = np.random.default_rng()
    image = op.parameter([1, 3, 9, 8], ov.Type.f32)
    weight = generator.normal(size=(5, 3, 3, 3)).astype(np.float32)
    maps = op.convolution(image, weight, [1, 1], [1, 1], [1, 1], [1, 1])
    if bias:
        maps = op.add(maps, generator.normal(size=(1, 5, 1, 1)).astype(np.float32))
    turned = op.transpose(maps, np.int64(order))
    product = op.multiply(turned, op.sigmoid(gate(turned) if gate else turned))
    # As a network goes on: what the plugin would like of the map it must not give as it is.
    columns = np.ones((product.shape[-1], 4), np.float32)
    return ov.Model([op.matmul(product, columns, False, False)], [image])


def layers(model) -> set[str]:
    ran = ov.Core().compile_model(model, "CPU", OPTIONS).get_runtime_model().get_ops()
    return {node.get_rt_info()["layerType"].astype(str) for node in ran}


def run(model) -> np.ndarray:
    image = np.random.default_rng(1).normal(size=(1, 3, 9, 8)).astype(np.float32)
    return ov.Core().compile_model(model, "CPU", OPTIONS)(image)[0]


@pytest.mark.parametrize("bias", [False, True])
def test_silu_moves_into_the_convolution(bias):
    model = a_block(bias=bias)
    expected = run(model.clone())
    assert layers(model) & {"Subgraph", "Eltwise", "Swish"}
    assert fuse_silu_into_convolutions(model) == 1
    kinds = [node.get_type_name() for node in model.get_ordered_ops()]
    assert kinds.index("Sigmoid") < kinds.index("Multiply") < kinds.index("Transpose")
    np.testing.assert_allclose(run(model), expected, rtol=1e-5, atol=1e-6)
    assert not {"Subgraph", "Eltwise", "Swish"} & layers(model)


@pytest.mark.parametrize(
    "other", [{"order": (0, 3, 1, 2)}, {"gate": lambda x: op.multiply(x, np.float32(2))}]
)
def test_what_is_something_else_stays(other):
    model = a_block(**other)
    assert fuse_silu_into_convolutions(model) == 0
    assert "Sigmoid" in {node.get_type_name() for node in model.get_ordered_ops()}
