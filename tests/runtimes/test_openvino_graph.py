"""What the graph is turned into for OpenVINO's plugin."""

from __future__ import annotations

import numpy as np
import pytest

from vmamba_deploy.runtimes.openvino_graph import (
    fold_norms_into_products,
    fuse_silu_into_convolutions,
)

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


def a_norm(*, readers=2, transposed=False, shown=False, dtype=np.float32, channels=6):
    """x [?, 5, 6] -> LayerNorm -> products with matrices [6, 3], the first one with a bias."""
    generator = np.random.default_rng()

    def constant(*shape):
        return op.constant(generator.normal(size=shape).astype(dtype))

    x = op.parameter([-1, 5, 6], ov.Type(np.dtype(dtype)))
    norm = op.mvn(x, np.int64([-1]), True, 1e-5, "INSIDE_SQRT")
    shifted = op.add(op.multiply(norm, constant(channels)), constant(channels))
    matrix = (3, 6) if transposed else (6, 3)
    results = [op.matmul(shifted, constant(*matrix), False, transposed) for _ in range(readers)]
    results[0] = op.add(results[0], constant(3))
    return ov.Model([*results, *([shifted] if shown else [])], [x])


def run_sequence(model) -> list[np.ndarray]:
    x = np.random.default_rng(2).normal(size=(2, 5, 6)).astype(np.float32)
    return [*ov.Core().compile_model(model, "CPU", OPTIONS)(x).values()]


@pytest.mark.parametrize("transposed", [False, True])
def test_scale_and_shift_of_a_norm_become_weights(transposed):
    model = a_norm(transposed=transposed)
    expected = run_sequence(model.clone())
    assert fold_norms_into_products(model) == 1
    assert "Multiply" not in {node.get_type_name() for node in model.get_ordered_ops()}
    for actual, wanted in zip(run_sequence(model), expected, strict=True):
        np.testing.assert_allclose(actual, wanted, rtol=1e-5, atol=1e-5)
    assert fold_norms_into_products(model) == 0


@pytest.mark.parametrize("other", [{"shown": True}, {"dtype": np.float16}, {"channels": 1}])
def test_a_norm_that_others_read_or_of_other_weights_stays(other):
    model = a_norm(**other)
    before = [node.get_friendly_name() for node in model.get_ordered_ops()]
    assert fold_norms_into_products(model) == 0
    assert [node.get_friendly_name() for node in model.get_ordered_ops()] == before
