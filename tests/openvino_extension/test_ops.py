"""Each op of ours in OpenVINO, against float64: the node's own arithmetic, and the CPU plugin's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import openvino as ov
import pytest
from one_op import compiled, evaluate, free, read, run
from onnx import TensorProto

from tests.ops.one_node import one_node_model
from vmamba_deploy.ops.multi_level_roi_align.specification import MULTI_LEVEL_ROI_ALIGN
from vmamba_deploy.ops.selective_scan.specification import SELECTIVE_SCAN, ScanDims
from vmamba_deploy.ops.selective_scan_2d.specification import SELECTIVE_SCAN_2D
from vmamba_deploy.ops.selective_scan_2d.specification import ScanDims as Scan2dDims
from vmamba_deploy.testing import (
    DTYPE_PAIRS,
    SPECIAL_BOXES,
    RoiAlignDims,
    check_accuracy,
    every_form,
    random_case,
    random_roi_align_case,
)

F32, F16 = TensorProto.FLOAT, TensorProto.FLOAT16
MAPS = [
    Scan2dDims(1, 1, 1, 1, 1, 1),
    Scan2dDims(2, 5, 7, 13, 1, 3),
    Scan2dDims(3, 9, 4, 33, 16, 6),
    Scan2dDims(0, 4, 4, 8, 1, 1),
]
BOXES = [
    RoiAlignDims(1, 1, 1, 1, 1, 7),
    RoiAlignDims(2, 9, 37, 150, 190, 7),
    RoiAlignDims(0, 3, 8, 64, 64, 7),
    RoiAlignDims(3, 0, 8, 64, 64, 7),
]
TWO_ROUTES = ScanDims(2, 1, 9, 13, 2, 3, (0, 2), x_per_route=True)


def scan_2d(dtype=F32, out_dtype=F32):
    return free(one_node_model(SELECTIVE_SCAN_2D, dtype, out_dtype))


def scan(dims: ScanDims, dtype=F32, out_dtype=F32, routes=None):
    routes = list(dims.routes if routes is None else routes)
    form = int(dims.x_per_route)
    return free(one_node_model(SELECTIVE_SCAN, dtype, out_dtype, form=form, routes=routes))


def roi_align(dtype=F32, out_dtype=F32, bins=7):
    return free(one_node_model(MULTI_LEVEL_ROI_ALIGN, dtype, out_dtype, output_size=bins))


def check_both_ways(core, model, cases, out_dtype):
    model = read(core, model)
    network = compiled(core, model)
    for case in cases:
        own, by_plugin = evaluate(model, case.by_name), run(network, case.by_name)
        check_accuracy(own, case.expected, out_dtype)
        check_accuracy(by_plugin, case.expected, out_dtype)
        assert run(network, case.by_name).tobytes() == by_plugin.tobytes()


@pytest.mark.parametrize(("dtype", "out_dtype"), DTYPE_PAIRS)
def test_selective_scan_2d(core, dtype, out_dtype):
    cases = [random_case(dims, dtype) for dims in MAPS]
    check_both_ways(core, scan_2d(dtype, out_dtype), cases, out_dtype)


@pytest.mark.parametrize(("dtype", "out_dtype"), DTYPE_PAIRS)
@pytest.mark.parametrize("dims", every_form(ScanDims(2, 5, 7, 33, 3, 4)), ids=str)
def test_selective_scan(core, dims, dtype, out_dtype):
    others = [dims, replace(dims, batch=1, height=1, width=11), replace(dims, batch=0)]
    cases = [random_case(each, dtype) for each in others]
    check_both_ways(core, scan(dims, dtype, out_dtype), cases, out_dtype)


@pytest.mark.parametrize(("dtype", "out_dtype"), DTYPE_PAIRS)
def test_multi_level_roi_align(core, dtype, out_dtype):
    cases = [random_roi_align_case(dims, dtype) for dims in BOXES]
    check_both_ways(core, roi_align(dtype, out_dtype), cases, out_dtype)


def test_special_boxes(core):
    cases = [
        random_roi_align_case(RoiAlignDims(2, len(boxes), 3, 256, 320, 7), boxes=np.float32(boxes))
        for boxes in SPECIAL_BOXES.values()
    ]
    check_both_ways(core, roi_align(), cases, F32)


@pytest.mark.parametrize("dtype", [F32, F16])
def test_bits_do_not_depend_on_threads(core, dtype):
    arrays = random_case(Scan2dDims(2, 14, 14, 100, 1, 6), dtype).by_name
    model = read(core, scan_2d(dtype))
    one, two = (run(compiled(core, model, threads=threads), arrays) for threads in (1, 2))
    assert one.tobytes() == two.tobytes()


def test_extents_and_types_are_known_before_a_call(core):
    model = read(core, scan(TWO_ROUTES, F16, F16))
    model.reshape({"x": ov.PartialShape([2, "1..8", 1, -1, 13])})
    (y,) = model.outputs
    assert y.partial_shape == ov.PartialShape([ov.Dimension(1, 8), 1, -1, 13])
    assert y.element_type == ov.Type.f16
    (y,) = read(core, roi_align(F16, F32, bins=14)).outputs
    assert y.partial_shape.to_string().endswith(",14,14]")
    assert y.element_type == ov.Type.f32


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("proj", (2, 5, 7, 19), r"proj has shape \(2, 5, 7, 19\), expected \(2, 5, 7, 20\)"),
        ("dt_bias", (4, 12), r"dt_bias has shape \(4, 12\), expected \(4, 13\)"),
        ("d", (4, 1), r"d has shape \(4, 1\), expected \(4, 13\)"),
    ],
)
def test_a_wrong_shape_is_told_by_a_call_and_before_it(core, name, shape, message):
    arrays = random_case(MAPS[1]).by_name | {name: np.zeros(shape, np.float32)}
    model = read(core, scan_2d())
    with pytest.raises(RuntimeError, match="vmamba::SelectiveScan2D: " + message):
        run(compiled(core, model), arrays)
    with pytest.raises(RuntimeError, match=message):
        model.reshape({each: list(array.shape) for each, array in arrays.items()})


def test_a_state_beyond_the_limit_is_told(core):
    network = compiled(core, read(core, scan_2d()))
    with pytest.raises(RuntimeError, match="257"):
        run(network, random_case(Scan2dDims(1, 1, 1, 2, 257, 1)).by_name)


def test_other_dtypes_are_refused(core):
    with pytest.raises(RuntimeError, match="x is float64, expected float32, float16 or bfloat16"):
        read(core, scan_2d(TensorProto.DOUBLE))
    with pytest.raises(RuntimeError, match="out_dtype is 11, expected"):
        read(core, scan_2d(F32, TensorProto.DOUBLE))
    with pytest.raises(RuntimeError, match="out_dtype is 16, expected"):
        read(core, scan_2d(F16, TensorProto.BFLOAT16))


@pytest.mark.parametrize(
    ("routes", "message"),
    [
        ((2, 4), r"routes is \[2, 4\], expected 1 to 4 numbers from 0 to 3"),
        ((0, 1, 2, 3, 0), "routes has more than 4 values"),
        ((1,), r"x has shape \(2, .*\), expected \(1, "),
    ],
)
def test_other_routes_are_refused(core, routes, message):
    model = scan(TWO_ROUTES, routes=routes)
    for value in model.graph.input:  # two routes, as it stands in the shapes
        value.type.tensor_type.shape.dim[0].dim_value = 2
    with pytest.raises(RuntimeError, match=message):
        read(core, model)


def test_a_node_without_an_attribute_is_refused(core):
    model = scan(TWO_ROUTES)
    (node,) = model.graph.node
    kept = [each for each in node.attribute if each.name != "routes"]
    del node.attribute[:]
    node.attribute.extend(kept)
    with pytest.raises(RuntimeError, match="routes"):
        read(core, model)


def test_a_node_of_too_few_inputs_is_refused(core):
    model = scan_2d()
    del model.graph.node[0].input[-1]
    with pytest.raises(RuntimeError, match="the node has 5 inputs, expected 6"):
        read(core, model)


def test_stock_openvino_refuses_the_op():
    with pytest.raises(RuntimeError, match="SelectiveScan2D"):
        read(ov.Core(), scan_2d())


def test_an_ir_file_holds_nodes_and_attributes(core, tmp_path):
    models = {
        "scan_2d": (scan_2d(), random_case(MAPS[1])),
        "scan": (scan(TWO_ROUTES), random_case(TWO_ROUTES)),
        "roi_align": (roi_align(bins=3), random_roi_align_case(replace(BOXES[1], output_size=3))),
    }
    for name, (model, case) in models.items():
        path = tmp_path / f"{name}.xml"
        ov.save_model(read(core, model), path)
        again = core.read_model(path)
        assert (
            run(compiled(core, again), case.by_name).tobytes()
            == evaluate(again, case.by_name).tobytes()
        )
        check_accuracy(evaluate(again, case.by_name), case.expected, F32)
