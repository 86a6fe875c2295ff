"""The function body in every form against the float64 reference, in stock ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from tests.ops.one_node import one_node_model
from vmamba_deploy.ops.onnx_forms import function_body
from vmamba_deploy.ops.op import FLOAT16, FLOAT32
from vmamba_deploy.ops.selective_scan.specification import SELECTIVE_SCAN, ScanDims
from vmamba_deploy.testing import check_accuracy, every_form, random_case

OPSETS = (18, 20, 25)
FORMS = every_form(ScanDims(1, 1, 1, 1, 1, 2))


def model(dims: ScanDims, sizes: dict[str, int], dtype=FLOAT32, out_dtype=FLOAT32, opset=20):
    made = one_node_model(
        SELECTIVE_SCAN,
        dtype,
        out_dtype,
        opset=opset,
        body=function_body(SELECTIVE_SCAN, opset, sizes),
        form=int(dims.x_per_route),
        routes=list(dims.routes),
    )
    onnx.checker.check_model(made, full_check=True)
    return made


def session(*arguments, **named) -> ort.InferenceSession:
    return ort.InferenceSession(model(*arguments, **named).SerializeToString())


@pytest.fixture(scope="module")
def sessions():
    """By the form and by what is known of the sizes: N = 1 or not, the form of the step or not."""
    known = ({}, {"N": 1}, {"step_per_channel": 0}, {"step_per_channel": 1})
    return [(form, sizes, session(form, sizes)) for form in FORMS for sizes in known]


@settings(max_examples=15, deadline=None)
@given(
    dims=st.tuples(*(st.integers(1, limit) for limit in (3, 9, 9, 9))),
    state=st.integers(1, 5),
    rank=st.integers(2, 6),
    seed=st.integers(0, 2**32 - 1),
)
def test_body_equals_the_reference_for_every_shape(sessions, dims, state, rank, seed):
    cases = {
        (form.routes, form.x_per_route, form.step_per_channel): random_case(form, seed=seed)
        for form in every_form(ScanDims(*dims, state, rank))
    }
    for form, sizes, one in sessions:
        case = cases[form.routes, form.x_per_route, form.step_per_channel]
        if sizes.get("N", state) != state:
            continue
        if sizes.get("step_per_channel", form.step_per_channel) != form.step_per_channel:
            continue
        (y,) = one.run(None, case.by_name)
        check_accuracy(y, case.expected, FLOAT32)


@pytest.mark.parametrize("opset", OPSETS)
def test_every_opset(opset):
    case = random_case(ScanDims(2, 1, 7, 6, 4, 3, (0, 2), x_per_route=True), seed=1)
    (y,) = session(case.dims, {}, opset=opset).run(None, case.by_name)
    check_accuracy(y, case.expected, FLOAT32)


def test_half_precision_output_is_rounded_once():
    case = random_case(ScanDims(2, 5, 7, 6, 4, 3, (0, 2), x_per_route=True), FLOAT16, seed=1)
    (y,) = session(case.dims, {}, FLOAT16, FLOAT16).run(None, case.by_name)
    assert y.dtype == np.float16
    check_accuracy(y, case.expected, FLOAT16)


def test_one_body_serves_nodes_of_different_routes_and_forms():
    """All in one file: what differs between nodes stands in their attributes and shapes."""
    forms = every_form(ScanDims(2, 3, 4, 5, 2, 3))
    cases = [random_case(dims, seed=number) for number, dims in enumerate(forms)]
    nodes, inputs, outputs, feeds = [], [], [], {}
    for number, case in enumerate(cases):
        names = [f"{name}_{number}" for name in SELECTIVE_SCAN.input_names]
        feeds |= dict(zip(names, case.inputs, strict=True))
        nodes.append(
            helper.make_node(
                SELECTIVE_SCAN.op_type,
                names,
                [f"y_{number}"],
                domain=SELECTIVE_SCAN.domain,
                routes=list(case.dims.routes),
                out_dtype=FLOAT32,
            )
        )
        inputs += [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape)
            for name, value in zip(names, case.inputs, strict=True)
        ]
        outputs.append(
            helper.make_tensor_value_info(f"y_{number}", TensorProto.FLOAT, [2, 3, 4, 5])
        )
    whole = helper.make_model(
        helper.make_graph(nodes, "all", inputs, outputs),
        functions=[function_body(SELECTIVE_SCAN, 20, {"N": 2})],
        opset_imports=[helper.make_opsetid("", 20), helper.make_opsetid("vmamba", 1)],
        ir_version=10,
    )
    onnx.checker.check_model(whole, full_check=True)
    results = ort.InferenceSession(whole.SerializeToString()).run(None, feeds)
    for y, case in zip(results, cases, strict=True):
        check_accuracy(y, case.expected, FLOAT32)


@pytest.mark.parametrize("sizes", [{"N": 1}, {"step_per_channel": 1}], ids=str)
def test_a_body_for_other_sizes_is_not_used(sizes):
    case = random_case(ScanDims(1, 3, 4, 5, 2, 3))
    with pytest.raises(Exception, match=r"(?i)broadcast|dimension|shape"):
        session(case.dims, sizes).run(None, case.by_name)


def test_old_opset_is_refused():
    with pytest.raises(ValueError, match="opset 18"):
        function_body(SELECTIVE_SCAN, 17)
