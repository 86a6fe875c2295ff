"""The function body against the float64 reference, in stock ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ops.one_node import one_node_model
from vmamba_deploy.ops.onnx_forms import function_body
from vmamba_deploy.ops.op import FLOAT16, FLOAT32
from vmamba_deploy.ops.selective_scan_2d.specification import SELECTIVE_SCAN_2D, ScanDims
from vmamba_deploy.testing import check_accuracy, random_case

OPSET = 20


def model(state: int | None, dtype: int = FLOAT32, out_dtype: int = FLOAT32):
    body = function_body(SELECTIVE_SCAN_2D, OPSET, {} if state is None else {"N": state})
    made = one_node_model(SELECTIVE_SCAN_2D, dtype, out_dtype, opset=OPSET, body=body)
    onnx.checker.check_model(made, full_check=True)
    return made


@pytest.fixture(scope="module")
def sessions():
    return {state: ort.InferenceSession(model(state).SerializeToString()) for state in (None, 1)}


@given(
    dims=st.tuples(*(st.integers(1, limit) for limit in (3, 17, 17, 9))),
    state=st.integers(1, 16),
    rank=st.integers(1, 48),
    seed=st.integers(0, 2**32 - 1),
)
def test_body_equals_the_reference_for_every_shape(sessions, dims, state, rank, seed):
    case = random_case(ScanDims(*dims, state, rank), seed=seed)
    for known_state in {None, 1} if state == 1 else {None}:
        (y,) = sessions[known_state].run(None, case.by_name)
        check_accuracy(y, case.expected, FLOAT32)


def test_half_precision_output_is_rounded_once():
    case = random_case(ScanDims(2, 5, 7, 6, 4, 3), FLOAT16, seed=1)
    half = model(None, FLOAT16, FLOAT16)
    (y,) = ort.InferenceSession(half.SerializeToString()).run(None, case.by_name)
    assert y.dtype == np.float16
    check_accuracy(y, case.expected, FLOAT16)


def test_body_of_one_state_is_not_used_for_more():
    with pytest.raises(Exception, match=r"(?i)broadcast|dimension|shape"):
        ort.InferenceSession(model(1).SerializeToString()).run(
            None, random_case(ScanDims(1, 3, 4, 5, 2, 1)).by_name
        )


def test_old_opset_is_refused():
    with pytest.raises(ValueError, match="opset 18"):
        function_body(SELECTIVE_SCAN_2D, 17)
