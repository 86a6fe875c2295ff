"""The page of the op says what its specification says, and a wrong call is named from it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.op_page import check_bars, check_page
from vmamba_deploy.native.layout import source_folder
from vmamba_deploy.ops.multi_level_roi_align import constants
from vmamba_deploy.ops.multi_level_roi_align.specification import MULTI_LEVEL_ROI_ALIGN as OP
from vmamba_deploy.ops.onnx_forms import function_body, op_schema
from vmamba_deploy.ops.registry import OPS

PAGE = Path(__file__).parents[3] / "docs" / "multi_level_roi_align.md"
SHAPES = ((2, 5, 40, 48), (2, 5, 20, 24), (2, 5, 10, 12), (2, 5, 5, 6), (2, 9, 4))


def test_the_page_has_the_inputs_the_output_and_the_attributes():
    check_page(PAGE, OP)


def test_the_page_has_the_bars():
    check_bars(PAGE)


def test_the_c_interface_has_the_constants():
    header = (source_folder() / "include" / "vmamba" / "multi_level_roi_align.h").read_text()
    defined = dict(re.findall(r"#define VMAMBA_ROI_ALIGN_(\w+) ([\d.e+-]+)f?\b", header))
    assert {name: float(value) for name, value in defined.items()} == {
        "LEVELS": len(constants.STRIDES),
        "FIRST_STRIDE": constants.STRIDES[0],
        "CANONICAL_SIZE": constants.CANONICAL_SIZE,
        "LEVEL_EPSILON": constants.LEVEL_EPSILON,
        "MAX_BOX_SIDE": constants.MAX_SIDE,
        "MAX_OUTPUT_SIZE": constants.MAX_OUTPUT_SIZE,
        "MAX_MAP_SIDE": 65536,
    }
    assert tuple(constants.STRIDES[0] << level for level in range(4)) == constants.STRIDES


def test_the_registry_finds_it_as_a_node_states_it():
    assert OPS["vmamba", "MultiLevelRoiAlign"] is OP
    assert OP.plugin == ("MultiLevelRoiAlign", "1", "vmamba")


def test_onnx_knows_it_as_specified():
    schema = op_schema(OP)
    assert (schema.domain, schema.name, schema.since_version) == ("vmamba", "MultiLevelRoiAlign", 1)
    maps = [(name, "T") for name in ("p2", "p3", "p4", "p5")]
    assert [(one.name, one.type_str) for one in schema.inputs] == [
        *maps,
        ("boxes", "tensor(float)"),
    ]
    assert schema.attributes["output_size"].required
    assert schema.attributes["out_dtype"].required
    assert not schema.attributes["plugin_version"].required


def test_the_body_is_for_op_sets_that_have_its_parts():
    for opset in (17, 22):
        with pytest.raises(ValueError, match=rf"the function body needs opset .*, got {opset}"):
            function_body(OP, opset)


def test_sizes_are_read_from_the_shapes_and_the_arguments():
    sizes = OP.read_sizes(SHAPES, (7, 1))
    assert OP.shape_of(OP.outputs[0], sizes) == (2, 9, 5, 7, 7)


@pytest.mark.parametrize(
    ("position", "shape", "text"),
    [
        (0, (2, 5, 40), "p2 has shape (2, 5, 40), expected [B, C, H2, W2]"),
        (1, (2, 6, 20, 24), "p3 has shape (2, 6, 20, 24), expected (2, 5, 20, 24)"),
        (3, (1, 5, 5, 6), "p5 has shape (1, 5, 5, 6), expected (2, 5, 5, 6)"),
        (4, (9, 4), "boxes has shape (9, 4), expected [B, K, 4]"),
        (4, (2, 9, 5), "boxes has shape (2, 9, 5), expected (2, 9, 4)"),
    ],
)
def test_a_wrong_shape_is_named(position, shape, text):
    shapes = list(SHAPES)
    shapes[position] = shape
    with pytest.raises(ValueError, match="expected") as problem:
        OP.read_sizes(shapes, (7, 1))
    assert str(problem.value) == text


@pytest.mark.parametrize("size", [0, 65])
def test_a_wrong_output_size_is_named_as_the_attribute(size):
    with pytest.raises(ValueError, match="got") as problem:
        OP.read_sizes(SHAPES, (size, 1))
    assert str(problem.value) == f"output_size must be in 1..64; got output_size={size}"
