"""MultiLevelRoiAlign in sessions with our library, and the body in sessions without it."""

from __future__ import annotations

import numpy as np
import onnx.parser
import pytest
from onnx import TensorProto
from scan_model import open_session, run

from tests.ops.one_node import one_node_model
from vmamba_deploy.ops.multi_level_roi_align.specification import MULTI_LEVEL_ROI_ALIGN
from vmamba_deploy.ops.onnx_forms import function_body
from vmamba_deploy.testing import (
    SPECIAL_BOXES,
    RoiAlignDims,
    check_accuracy,
    random_roi_align_case,
)

F32, F16, BF16 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16
DTYPES = [(F32, F32), (F16, F32), (F16, F16), (BF16, F32), (BF16, BF16)]
DIMS = [
    RoiAlignDims(1, 1, 1, 1, 1, 7),
    RoiAlignDims(2, 9, 37, 150, 190, 7),
    RoiAlignDims(0, 3, 8, 64, 64, 7),
    RoiAlignDims(3, 0, 8, 64, 64, 7),
]


def model(in_dtype: int, out_dtype: int, *, bins: int = 7, body: bool = False) -> bytes:
    function = function_body(MULTI_LEVEL_ROI_ALIGN, 20) if body else None
    made = one_node_model(
        MULTI_LEVEL_ROI_ALIGN, in_dtype, out_dtype, body=function, output_size=bins
    )
    return made.SerializeToString()


@pytest.mark.parametrize(("in_dtype", "out_dtype"), DTYPES)
def test_agrees_with_float64_at_every_shape_of_one_session(ort_library, in_dtype, out_dtype):
    session = open_session(model(in_dtype, out_dtype, body=True), ort_library)
    for seed, dims in enumerate(DIMS):
        case = random_roi_align_case(dims, in_dtype, seed)
        actual = run(session, case.by_name, in_dtype, out_dtype)
        check_accuracy(actual, case.expected, out_dtype)


def test_special_boxes(ort_library):
    session = open_session(model(F32, F32), ort_library)
    for boxes in SPECIAL_BOXES.values():
        dims = RoiAlignDims(2, len(boxes), 3, 256, 320, 7)
        case = random_roi_align_case(dims, seed=1, boxes=np.float32(boxes))
        check_accuracy(run(session, case.by_name, F32, F32), case.expected, F32)


ZERO_BODY = """
<domain: "vmamba", opset_import: ["" : 20]>
MultiLevelRoiAlign <output_size, out_dtype> (p2, p3, p4, p5, boxes) => (y)
{
    one = Constant <value_ints : ints = [1]> ()
    features = Unsqueeze (p2, one)
    y = Sub (features, features)
}
"""


def test_the_kernel_wins_over_the_body_and_needs_none(ort_library):
    # One box and a map of 7 x 7: the body's zeros have the shape of the result.
    boxes = np.float32([[3, 3, 25, 25]])
    arrays = random_roi_align_case(RoiAlignDims(1, 1, 2, 28, 28, 7), seed=2, boxes=boxes).by_name
    zeros = one_node_model(
        MULTI_LEVEL_ROI_ALIGN, F32, F32, body=onnx.parser.parse_function(ZERO_BODY), output_size=7
    ).SerializeToString()
    assert not run(open_session(zeros), arrays, F32, F32).any()
    for each in (zeros, model(F32, F32)):
        assert run(open_session(each, ort_library), arrays, F32, F32).any()
    with pytest.raises(Exception, match="MultiLevelRoiAlign"):
        open_session(model(F32, F32))


def test_the_session_knows_the_shape_before_it_runs(ort_library):
    made = one_node_model(MULTI_LEVEL_ROI_ALIGN, F32, F32, output_size=14)
    del made.graph.output[0].type.tensor_type.shape.dim[:]
    made.graph.output[0].type.tensor_type.ClearField("shape")
    (y,) = open_session(made.SerializeToString(), ort_library).get_outputs()
    assert y.shape == ["B", "K", "C", 14, 14]


@pytest.mark.parametrize(("in_dtype", "out_dtype"), DTYPES)
def test_bits_do_not_depend_on_threads(ort_library, in_dtype, out_dtype):
    arrays = random_roi_align_case(RoiAlignDims(2, 30, 70, 128, 128, 7), in_dtype, 11).by_name
    one, two = (
        run(open_session(model(in_dtype, out_dtype), ort_library, threads=threads), arrays,
            in_dtype, out_dtype)
        for threads in (1, 2)
    )  # fmt: skip
    assert one.tobytes() == two.tobytes()


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("p3", (1, 3, 8, 8), r"p3 has shape \(1, 3, 8, 8\), expected \(1, 2, 8, 8\)"),
        ("boxes", (2, 3, 4), r"boxes has shape \(2, 3, 4\), expected \(1, 3, 4\)"),
        ("boxes", (1, 3, 5), r"boxes has shape \(1, 3, 5\), expected \(1, 3, 4\)"),
    ],
)
def test_a_wrong_shape_is_told(ort_library, name, shape, message):
    made = one_node_model(MULTI_LEVEL_ROI_ALIGN, F32, F32, output_size=7)
    for value in made.graph.input:
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            dim.dim_param = f"{value.name}{axis}"
    session = open_session(made.SerializeToString(), ort_library)
    case = random_roi_align_case(RoiAlignDims(1, 3, 2, 64, 64, 7))
    arrays = case.by_name | {name: np.zeros(shape, np.float32)}
    with pytest.raises(Exception, match=message):
        run(session, arrays, F32, F32)


@pytest.mark.parametrize("bins", [0, 65])
def test_a_wrong_output_size_is_told_when_the_session_is_made(ort_library, bins):
    with pytest.raises(Exception, match=f"got output_size={bins}"):
        open_session(model(F32, F32, bins=bins), ort_library)
