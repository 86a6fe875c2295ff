"""Maps that become sequences for OpenVINO's plugin."""

from __future__ import annotations

import numpy as np
import pytest

from vmamba_deploy.runtimes.openvino_flatten import flatten_maps

ov = pytest.importorskip("openvino")
op = pytest.importorskip("openvino.opset13")
OPTIONS = {"INFERENCE_PRECISION_HINT": "f32"}
CHANNELS = 6


def vector(*shape):
    return op.constant(np.random.default_rng().normal(size=shape or CHANNELS).astype(np.float32))


def norm(maps, axes=None):
    return op.mvn(maps, np.int64([-1]) if axes is None else axes, True, 1e-5, "INSIDE_SQRT")


def axes_as_onnx_is_read():
    last, end, step = (op.constant(np.int64(each)) for each in (-1, 0, 1))
    return op.range(last, end, step, "i64")


def a_block(change=norm, *, shape=(-1, 4, 3, CHANNELS)):
    """maps -> change -> product, scale, GELU -> + maps -> turned, and a convolution."""
    maps = op.parameter(list(shape), ov.Type.f32)
    changed = change(maps)
    product = op.matmul(changed, vector(CHANNELS, CHANNELS), False, False)
    hidden = op.gelu(op.multiply(product, vector()), "ERF")
    stream = op.add(maps, hidden)
    turned = op.transpose(stream, np.int64([0, 3, 1, 2]))
    kernel = vector(2, CHANNELS, 1, 1)
    result = op.convolution(turned, kernel, [1, 1], [0, 0], [0, 0], [1, 1])
    return ov.Model([result, op.relu(stream)], [maps])


def ranks(model) -> list[int]:
    return [
        len(node.output(0).get_partial_shape())
        for node in model.get_ordered_ops()
        if node.get_type_name() in ("MVN", "MatMul", "Multiply", "Gelu", "Add", "Relu")
    ]


def run(model, batch=2) -> list[np.ndarray]:
    maps = np.random.default_rng(1).normal(size=(batch, 4, 3, CHANNELS)).astype(np.float32)
    return [*ov.Core().compile_model(model, "CPU", OPTIONS)(maps).values()]


@pytest.mark.parametrize("axes", [None, np.int64([3]), "range"])
def test_a_block_works_on_sequences_and_gives_the_same_maps(axes):
    given = axes_as_onnx_is_read() if isinstance(axes, str) else axes
    model = a_block(lambda maps: norm(maps, given))
    expected = [run(model.clone(), batch) for batch in (1, 3)]
    assert flatten_maps(model) == 6
    assert ranks(model) == [3] * 6
    assert [each.get_partial_shape().to_string() for each in model.outputs] == [
        "[?,2,4,3]",
        f"[?,4,3,{CHANNELS}]",
    ]
    for batch, wanted in zip((1, 3), expected, strict=True):
        for actual, each in zip(run(model, batch), wanted, strict=True):
            np.testing.assert_allclose(actual, each, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "change",
    [
        lambda maps: op.relu(maps),  # no norm is near
        lambda maps: norm(maps, np.int64([2])),
        lambda maps: norm(maps, np.int64([1, 2, 3])),
    ],
)
def test_what_has_no_norm_over_channels_stays(change):
    model = a_block(change)
    assert flatten_maps(model) == 0
    assert set(ranks(model)) == {4}


@pytest.mark.parametrize("shape", [(-1, -1, 3, CHANNELS), (-1, 4, -1, CHANNELS)])
def test_maps_of_free_sizes_stay(shape):
    model = a_block(shape=shape)
    assert flatten_maps(model) == 0
    assert set(ranks(model)) == {4}


@pytest.mark.parametrize("extents", [(1, 3), (4, 1), (1, 1)])
def test_what_is_repeated_along_a_map_is_added_to_the_map(extents):
    positions = np.random.default_rng().normal(size=(1, *extents, CHANNELS)).astype(np.float32)
    model = a_block(lambda maps: norm(op.add(maps, positions)))
    expected = run(model.clone())
    assert flatten_maps(model) == 6  # all but that addition
    for actual, wanted in zip(run(model), expected, strict=True):
        np.testing.assert_allclose(actual, wanted, rtol=1e-5, atol=1e-5)
