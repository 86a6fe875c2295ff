"""The function body against the float64 reference, in stock ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

from vmamba_deploy.ops.onnx_forms import function_body
from vmamba_deploy.ops.op import FLOAT16, FLOAT32
from vmamba_deploy.ops.selective_scan_2d.float64_reference import selective_scan_2d_float64
from vmamba_deploy.ops.selective_scan_2d.specification import (
    ROUTES,
    SELECTIVE_SCAN_2D,
    proj_features,
)

OPSET = 20


def one_node_model(state: int | None, dtype: int = FLOAT32, out_dtype: int = FLOAT32):
    node = helper.make_node(
        SELECTIVE_SCAN_2D.op_type,
        SELECTIVE_SCAN_2D.input_names,
        ["y"],
        domain=SELECTIVE_SCAN_2D.domain,
        out_dtype=out_dtype,
        plugin_namespace="vmamba",
        plugin_version="1",
    )
    shapes = {
        "x": ["B", "H", "W", "D"],
        "proj": ["B", "H", "W", "F"],
        "dt_weight": [ROUTES, "R", "D"],
        "dt_bias": [ROUTES, "D"],
        "a": [ROUTES, "N", "D"],
        "d": [ROUTES, "D"],
    }
    inputs = [
        helper.make_tensor_value_info(name, dtype if name in {"x", "proj"} else FLOAT32, shape)
        for name, shape in shapes.items()
    ]
    output = helper.make_tensor_value_info("y", out_dtype, ["B", "H", "W", "D"])
    sizes = {} if state is None else {"N": state}
    model = helper.make_model(
        helper.make_graph([node], "scan", inputs, [output]),
        functions=[function_body(SELECTIVE_SCAN_2D, OPSET, sizes)],
        opset_imports=[
            helper.make_opsetid("", OPSET),
            helper.make_opsetid(SELECTIVE_SCAN_2D.domain, 1),
        ],
        ir_version=10,
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def random_inputs(dims: tuple[int, int, int, int], state: int, rank: int, seed: int, dtype=None):
    rng = np.random.default_rng(seed)
    batch, height, width, channels = dims
    arrays = {
        "x": rng.normal(size=dims),
        "proj": rng.normal(size=(batch, height, width, proj_features(rank, state))),
        "dt_weight": rng.normal(size=(ROUTES, rank, channels)) * rank**-0.5,
        "dt_bias": rng.normal(size=(ROUTES, channels)) - 3,
        "a": -np.exp(rng.normal(size=(ROUTES, state, channels))),
        "d": rng.normal(size=(ROUTES, channels)),
    }
    return {
        name: value.astype(dtype if dtype and name in {"x", "proj"} else np.float32)
        for name, value in arrays.items()
    }


@pytest.fixture(scope="module")
def sessions():
    return {
        state: ort.InferenceSession(one_node_model(state).SerializeToString())
        for state in (None, 1)
    }


@given(
    dims=st.tuples(*(st.integers(1, limit) for limit in (3, 17, 17, 9))),
    state=st.integers(1, 16),
    rank=st.integers(1, 48),
    seed=st.integers(0, 2**32 - 1),
)
def test_body_equals_the_reference_for_every_shape(sessions, dims, state, rank, seed):
    inputs = random_inputs(dims, state, rank, seed)
    expected = selective_scan_2d_float64(**inputs)
    for known_state in {None, 1} if state == 1 else {None}:
        (y,) = sessions[known_state].run(None, inputs)
        assert np.max(np.abs(y - expected) / (1 + np.abs(expected))) <= 2e-5
        assert np.sum((y - expected) ** 2) <= 1e-11 * np.sum(expected**2)


def test_half_precision_output_is_rounded_once():
    inputs = random_inputs((2, 5, 7, 6), 4, 3, 1, dtype=np.float16)
    model = one_node_model(None, FLOAT16, FLOAT16)
    (y,) = ort.InferenceSession(model.SerializeToString()).run(None, inputs)
    expected = selective_scan_2d_float64(**inputs)
    assert y.dtype == np.float16
    assert np.sum((y - expected) ** 2) <= 1e-7 * np.sum(expected**2)


def test_body_of_one_state_is_not_used_for_more():
    with pytest.raises(Exception, match=r"(?i)broadcast|dimension|shape"):
        ort.InferenceSession(one_node_model(1).SerializeToString()).run(
            None, random_inputs((1, 3, 4, 5), 2, 1, 0)
        )


def test_old_opset_is_refused():
    with pytest.raises(ValueError, match="opset 18"):
        function_body(SELECTIVE_SCAN_2D, 17)
