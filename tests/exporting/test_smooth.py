"""Layers whose input a norm gives, and the pass that divides it: the same numbers, to the bit."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir
import pytest

from vmamba_deploy.exporting.smooth import SmoothLayers, normed_layers
from vmamba_deploy.runtimes.onnxruntime import create_session

RNG = np.random.default_rng()
K, N = 24, 16
PLAIN = "y = LayerNormalization(x, scale, shift) z = MatMul(y, fc_weight)"
GATED = """n = LayerNormalization(x, scale, shift)
           g = Sigmoid(x)
           y = Mul(g, n)
           z = MatMul(y, fc_weight)"""
HALF = """n = LayerNormalization(x, scale, shift)
          h = Cast<to = 10>(n)
          i = Cast<to = 10>(x)
          g = Sigmoid(i)
          y = Mul(h, g)
          z = MatMul(y, fc_weight)"""


def network(body: str, dtype: str = "float", **changed: np.ndarray) -> ir.Model:
    proto = onnx.parser.parse_model(
        f"""<ir_version: 10, opset_import: ["": 20]>
        g (float[batch, 5, {K}] x) => ({dtype}[batch, 5, {N}] z) {{ {body} }}"""
    )
    constants = {
        "scale": RNG.uniform(0.5, 2, K).astype(np.float32),
        "shift": RNG.standard_normal(K).astype(np.float32),
        "fc_weight": RNG.standard_normal((K, N)).astype("f2" if dtype == "float16" else "f4"),
        **changed,
    }
    for name, values in constants.items():
        if name in body:
            proto.graph.initializer.append(onnx.numpy_helper.from_array(values, name))
    return ir.serde.deserialize_model(onnx.shape_inference.infer_shapes(proto))


def result(model: ir.Model, x: np.ndarray) -> np.ndarray:
    (found,) = create_session(model).run(["z"], {"x": x})
    return found


def values(model: ir.Model, name: str) -> np.ndarray:
    return model.graph.initializers[name].const_value.numpy()


@pytest.mark.parametrize(("body", "dtype"), [(PLAIN, "float"), (GATED, "float"), (HALF, "float16")])
def test_a_smooth_layer_computes_the_same_bits(body: str, dtype: str) -> None:
    model = network(body, dtype)
    copy, exponents = model.clone(), RNG.integers(-4, 5, K)
    (normed,) = normed_layers(copy)
    assert (normed.layer.name, normed.norm.op_type) == ("fc", "LayerNormalization")
    assert SmoothLayers({"fc": exponents})(copy).modified
    factors = 2.0**exponents
    for name in ("scale", "shift"):
        np.testing.assert_array_equal(values(copy, name) * factors, values(model, name))
    weight = values(model, "fc_weight") * factors[:, None]
    np.testing.assert_array_equal(values(copy, "fc_weight"), weight)
    x = RNG.standard_normal((3, 5, K)).astype(np.float32)
    np.testing.assert_array_equal(result(copy, x), result(model, x))


def test_a_norm_without_a_shift_is_divided_too() -> None:
    model = network("y = LayerNormalization(x, scale) z = MatMul(y, fc_weight)")
    SmoothLayers({"fc": [1] * K})(model)
    x = RNG.standard_normal((1, 5, K)).astype(np.float32)
    before = result(model, x)
    SmoothLayers({"fc": [-1] * K})(model)
    np.testing.assert_array_equal(result(model, x), before)


OTHERS = {
    "another layer reads the norm": PLAIN + " w = MatMul(y, fc_weight2) z2 = Identity(w)",
    "the residual reads the norm": PLAIN.replace("z =", "p =")
    + " s = Slice(y, a, e) z = Add(p, s)",
    "no norm": "y = Sigmoid(x) z = MatMul(y, fc_weight)",
    "an activation between": """n = LayerNormalization(x, scale, shift)
        y = Sigmoid(n) z = MatMul(y, fc_weight)""",
    "something is added between": """n = LayerNormalization(x, scale, shift)
        y = Add(n, x) z = MatMul(y, fc_weight)""",
    "two norms share a scale": """n = LayerNormalization(x, scale, shift)
        y = LayerNormalization(n, scale, shift) z = MatMul(y, fc_weight)""",
    "one number for all channels": PLAIN.replace("scale", "single_scale"),
    "two layers share a weight": PLAIN.replace("z =", "p =")
    + " q = MatMul(x, fc_weight) z = Add(p, q)",
    "a computed scale": "s = Exp(scale) y = LayerNormalization(x, s) z = MatMul(y, fc_weight)",
}


@pytest.mark.parametrize("why", OTHERS)
def test_what_is_no_layer_behind_a_norm_of_its_own_stays(why: str) -> None:
    extra = {
        "fc_weight2": RNG.standard_normal((K, N)).astype(np.float32),
        "single_scale": np.ones(1, np.float32),
        "a": np.array([0, 0, 0]),
        "e": np.array([9, 9, N]),
    }
    model = network(OTHERS[why], **extra)
    assert not list(normed_layers(model))
    with pytest.raises(ValueError, match="fc has no norm of 24 channels before it"):
        SmoothLayers({"fc": [0] * K})(model)


def test_a_norm_that_is_an_output_stays() -> None:
    model = network(PLAIN)
    norm = next(node for node in model.graph if node.op_type == "LayerNormalization")
    model.graph.outputs.append(norm.outputs[0])
    assert not list(normed_layers(model))


def test_another_number_of_channels_is_refused() -> None:
    with pytest.raises(ValueError, match="23 channels"):
        SmoothLayers({"fc": [0] * (K - 1)})(network(PLAIN))


def test_nothing_to_do_changes_nothing() -> None:
    assert not SmoothLayers({})(network(PLAIN)).modified
