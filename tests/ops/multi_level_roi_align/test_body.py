"""The function body against float64, in stock ONNX Runtime and in onnx's own evaluator."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx.reference import ReferenceEvaluator

from tests.ops.one_node import one_node_model
from vmamba_deploy.ops.multi_level_roi_align.specification import MULTI_LEVEL_ROI_ALIGN
from vmamba_deploy.ops.onnx_forms import function_body
from vmamba_deploy.ops.op import FLOAT16, FLOAT32
from vmamba_deploy.testing import (
    SPECIAL_BOXES,
    RoiAlignDims,
    check_accuracy,
    random_roi_align_case,
)

OPSETS = (18, 20, 21)


def model(dtype: int = FLOAT32, out_dtype: int = FLOAT32, bins: int = 7, opset: int = 20):
    body = function_body(MULTI_LEVEL_ROI_ALIGN, opset)
    made = one_node_model(
        MULTI_LEVEL_ROI_ALIGN, dtype, out_dtype, opset=opset, body=body, output_size=bins
    )
    onnx.checker.check_model(made, full_check=True)
    return made


@pytest.fixture(scope="module")
def sessions():
    return {bins: ort.InferenceSession(model(bins=bins).SerializeToString()) for bins in (1, 7, 14)}


@given(
    dims=st.builds(
        RoiAlignDims,
        batch=st.integers(0, 3),
        boxes=st.integers(0, 9),
        channels=st.integers(1, 9),
        height=st.integers(1, 400),
        width=st.integers(1, 400),
        output_size=st.sampled_from([1, 7, 14]),
    ),
    seed=st.integers(0, 2**32 - 1),
)
def test_body_equals_the_reference_for_every_shape(sessions, dims, seed):
    case = random_roi_align_case(dims, seed=seed)
    (y,) = sessions[dims.output_size].run(None, case.by_name)
    check_accuracy(y, case.expected, FLOAT32)


@pytest.mark.parametrize("special", SPECIAL_BOXES)
def test_body_at_special_boxes(sessions, special):
    boxes = np.float32(SPECIAL_BOXES[special])
    case = random_roi_align_case(RoiAlignDims(2, 4, 3, 256, 320, 7), seed=1, boxes=boxes)
    (y,) = sessions[7].run(None, case.by_name)
    check_accuracy(y, case.expected, FLOAT32)


@pytest.mark.parametrize("opset", OPSETS)
def test_half_precision_is_widened_and_rounded_once(opset):
    case = random_roi_align_case(RoiAlignDims(2, 6, 3, 96, 64, 7), FLOAT16, seed=2)
    session = ort.InferenceSession(model(FLOAT16, FLOAT16, opset=opset).SerializeToString())
    (y,) = session.run(None, case.by_name)
    assert y.dtype == np.float16
    check_accuracy(y, case.expected, FLOAT16)


def test_onnx_itself_computes_the_same():
    case = random_roi_align_case(RoiAlignDims(1, 5, 2, 96, 64, 3), seed=3)
    (y,) = ReferenceEvaluator(model(bins=3)).run(None, case.by_name)
    check_accuracy(y, case.expected, FLOAT32)


def test_what_another_level_holds_reaches_no_box(sessions):
    boxes = np.float32([[8, 8, 60, 60]])
    case = random_roi_align_case(RoiAlignDims(1, 1, 3, 256, 320, 7), seed=4, boxes=boxes)
    for level in case.maps[1:]:
        level[:] = np.nan
    (y,) = sessions[7].run(None, case.by_name)
    assert np.isfinite(y).all()
