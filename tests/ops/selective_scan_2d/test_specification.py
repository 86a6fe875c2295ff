"""The page of the op says what its specification says, and a wrong call is named from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.op_page import check_page
from vmamba_deploy.ops.onnx_forms import op_schema
from vmamba_deploy.ops.registry import OPS
from vmamba_deploy.ops.selective_scan_2d.specification import SELECTIVE_SCAN_2D as OP
from vmamba_deploy.ops.selective_scan_2d.specification import ScanDims, infer_dims

PAGE = Path(__file__).parents[3] / "docs" / "selective_scan_2d.md"
SHAPES = ((2, 5, 7, 24), (2, 5, 7, 20), (4, 3, 24), (4, 24), (4, 1, 24), (4, 24))


def test_the_page_has_the_inputs_the_output_and_the_attributes():
    check_page(PAGE, OP)


def test_the_registry_finds_it_as_a_node_states_it():
    assert OPS["vmamba", "SelectiveScan2D"] is OP
    assert OP.plugin == ("SelectiveScan2D", "1", "vmamba")


def test_onnx_knows_it_as_specified():
    schema = op_schema(OP)
    assert (schema.domain, schema.name, schema.since_version) == ("vmamba", "SelectiveScan2D", 1)
    assert [(one.name, one.type_str) for one in schema.inputs] == [
        ("x", "T"),
        ("proj", "T"),
        *((name, "tensor(float)") for name in ("dt_weight", "dt_bias", "a", "d")),
    ]
    assert schema.attributes["out_dtype"].required
    assert not schema.attributes["plugin_version"].required


def test_sizes_are_read_from_the_shapes():
    assert infer_dims(*SHAPES) == ScanDims(2, 5, 7, 24, state=1, rank=3)


@pytest.mark.parametrize(
    ("position", "shape", "text"),
    [
        (0, (2, 5, 7), "x has shape (2, 5, 7), expected [B, H, W, D]"),
        (1, (2, 5, 7, 24), "proj has shape (2, 5, 7, 24), expected (2, 5, 7, 20)"),
        (2, (3, 3, 24), "dt_weight has shape (3, 3, 24), expected (4, 3, 24)"),
        (2, (4, 257, 24), "R must be in 1..256; got R=257"),
        (3, (4, 1, 24), "dt_bias has shape (4, 1, 24), expected [4, D]"),
        (4, (4, 0, 24), "N must be in 1..256; got N=0"),
        (5, (4, 23), "d has shape (4, 23), expected (4, 24)"),
    ],
)
def test_a_wrong_shape_is_named(position, shape, text):
    shapes = list(SHAPES)
    shapes[position] = shape
    with pytest.raises(ValueError, match=r"expected|got") as problem:
        infer_dims(*shapes)
    assert str(problem.value) == text
