"""Files that other tools quantized: accepted where they are the base, and not where they are not.

ONNX Runtime's tool runs here. modelopt needs other releases of onnx and onnxruntime than ours; the
form of its files is made by hand (tests/quantization/other_tools.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from onnxruntime.quantization import QuantFormat, quantize_dynamic

from tests.digits import digits_of
from tests.quantization.other_tools import (
    SIGNED,
    UNSIGNED,
    UNSIGNED_WEIGHTS,
    as_modelopt_writes,
    by_onnxruntime,
    ranges_of,
)
from tests.quantization.test_structure import (
    change_an_attribute,
    change_the_function,
    drop_an_add,
    give,
    held,
    lose_a_route,
)
from vmamba_deploy.exporting.onnx_graph import our_nodes
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.quantization.foreign import check_foreign_structure

FORMS: dict[str, dict[str, Any]] = {
    "signed": SIGNED,
    "unsigned maps": UNSIGNED,
    "unsigned weights": UNSIGNED_WEIGHTS,
}


@pytest.fixture(scope="module")
def base(digits_base) -> OnnxModel:
    return digits_base("fp32")


@pytest.fixture(scope="module")
def written(base, tmp_path_factory) -> Callable[[str], OnnxModel]:
    made: dict[str, OnnxModel] = {}

    def write(form: str) -> OnnxModel:
        if form not in made:
            path = tmp_path_factory.mktemp("foreign") / "model.onnx"
            made[form] = OnnxModel.read(by_onnxruntime(base.path, path, **FORMS[form]))
        return made[form]

    return write


@pytest.mark.parametrize("form", FORMS)
def test_a_file_of_onnx_runtime_s_tool_is_the_base(base, written, form) -> None:
    file = written(form)
    assert (file.precision, file.base, file.quantization) == ("int8", "fp32", None)
    check = check_foreign_structure(base, file)
    assert (check.status, check.reason[:16]) == ("passed", "the base's graph")


@pytest.fixture(scope="module")
def like_modelopt(base) -> OnnxModel:
    ranges = ranges_of(base.path, list(digits_of("train").first(8).pixel_values()))
    return replace(base, ir=as_modelopt_writes(base.ir, ranges))


def test_a_file_in_modelopt_s_form_is_the_base(base, like_modelopt) -> None:
    ops = [node.op_type for node in like_modelopt.ir.graph]
    assert ops.count("QuantizeLinear") > 40
    assert like_modelopt.precision == "int8"
    check = check_foreign_structure(base, like_modelopt)
    assert (check.status, check.reason[:16]) == ("passed", "the base's graph")


def lose_a_scan(model: ir.Model) -> None:
    """What follows reads the scan's input in its place."""
    scan = our_nodes(model)[0]
    source = scan.inputs[0]
    assert source is not None
    ir.convenience.replace_all_uses_with(scan.outputs[0], source)
    model.graph.remove(scan, safe=True)


def other_weights(model: ir.Model) -> None:
    """Of one layer: its stored numbers in another order."""
    for node in model.graph:
        value = node.inputs[0] if node.inputs else None
        stored = node.op_type == "DequantizeLinear" and value is not None and value.is_initializer()
        if stored and held(node, 0).ndim == 2:
            give(model, node, 0, held(node, 0)[::-1].copy())
            return
        if node.op_type == "QuantizeLinear" and value is not None and value.is_initializer():
            give(model, node, 0, held(node, 0)[::-1].copy())
            return
    raise AssertionError("no weight is quantized")


WRONG = {
    "a lost route": (lose_a_route, "other values"),
    "a changed scan": (change_an_attribute, "out_dtype"),
    "a lost scan": (lose_a_scan, "3 nodes of ours, not 4"),
    "other weights": (other_weights, "half a step|other values"),
    "another function": (change_the_function, "function body"),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("form", ["signed", "unsigned maps", "modelopt"])
def test_a_wrong_file_is_noticed(base, written, like_modelopt, name: str, form: str) -> None:
    mutate, words = WRONG[name]
    file = like_modelopt if form == "modelopt" else written(form)
    copy = file.ir.clone()
    mutate(copy)
    check = check_foreign_structure(base, replace(file, ir=copy))
    assert check.status == "failed", check.reason
    assert any(word in check.reason for word in words.split("|")), check.reason


def test_what_a_tool_rewrote_is_said_and_not_proven(base, like_modelopt) -> None:
    """Another operator stands there: the limits of the outputs have to tell."""
    copy = like_modelopt.ir.clone()
    drop_an_add(copy)
    check = check_foreign_structure(base, replace(like_modelopt, ir=copy))
    assert check.status == "skipped"
    assert "is made by" in check.reason


@pytest.mark.parametrize("tool", ["dynamic", "operators"])
def test_products_of_integers_cannot_be_taken_back(base, tmp_path, tool: str) -> None:
    path = tmp_path / "model.onnx"
    if tool == "dynamic":
        quantize_dynamic(str(base.path), str(path), per_channel=True)
    else:
        by_onnxruntime(base.path, path, quant_format=QuantFormat.QOperator, **UNSIGNED)
    file = OnnxModel.read(path)
    assert file.precision == "int8"
    check = check_foreign_structure(base, file)
    assert check.status == "skipped"
    assert "cannot be taken back" in check.reason
    copy = file.ir.clone()
    change_an_attribute(copy)
    assert check_foreign_structure(base, replace(file, ir=copy)).status == "failed"


def test_the_scan_s_parameters_are_read_by_value(base) -> None:
    """The mutation above changes what the file computes."""
    copy = base.ir.clone()
    lose_a_route(copy)
    scans = our_nodes(copy)[0], our_nodes(base.ir)[0]
    changed = [
        not np.array_equal(held(scans[0], place), held(scans[1], place))
        for place, value in enumerate(scans[0].inputs)
        if value is not None and value.is_initializer()
    ]
    assert sum(changed) == 1
