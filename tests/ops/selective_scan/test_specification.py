"""The page of the op says what its specification says, and a wrong call is named from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.op_page import check_bars, check_page
from vmamba_deploy.ops.onnx_forms import op_schema
from vmamba_deploy.ops.registry import OPS
from vmamba_deploy.ops.selective_scan.specification import SELECTIVE_SCAN as OP
from vmamba_deploy.ops.selective_scan.specification import ScanDims, infer_dims
from vmamba_deploy.testing import every_form, random_case

PAGE = Path(__file__).parents[3] / "docs" / "selective_scan.md"
PARAMETERS = ((2, 3, 24), (2, 24), (2, 1, 24), (2, 24))
SHARED = ((2, 5, 7, 24), (2, 5, 7, 10), *PARAMETERS)
OWN = ((2, 2, 5, 7, 24), (2, 2, 5, 7, 5), *PARAMETERS)


def test_the_page_has_the_inputs_the_output_the_attributes_and_the_bars():
    check_page(PAGE, OP)
    check_bars(PAGE)


def test_the_registry_finds_it_as_a_node_states_it():
    assert OPS["vmamba", "SelectiveScan"] is OP
    assert OP.plugin == ("SelectiveScan", "1", "vmamba")


def test_onnx_knows_it_as_specified():
    schema = op_schema(OP)
    assert (schema.domain, schema.name, schema.since_version) == ("vmamba", "SelectiveScan", 1)
    assert schema.attributes["routes"].type.name == "INTS"
    assert schema.attributes["routes"].required
    assert schema.attributes["out_dtype"].required
    assert not schema.attributes["plugin_version"].required


@pytest.mark.parametrize("dims", every_form(ScanDims(2, 5, 7, 24, 4, 3)), ids=str)
def test_sizes_and_form_are_read_from_the_shapes(dims):
    shapes = [value.shape for value in random_case(dims).inputs]
    assert infer_dims(*shapes, routes=dims.routes) == dims
    sizes = OP.read_sizes(shapes, (dims.routes,))
    assert sizes["step_per_channel"] == dims.step_per_channel
    assert OP.shape_of(OP.outputs[0], sizes) == (2, 5, 7, 24)


def test_with_one_channel_and_rank_1_both_steps_are_the_low_rank_one():
    dims = ScanDims(1, 1, 4, 1, 2, 1, (0,), step_per_channel=True)
    shapes = [value.shape for value in random_case(dims).inputs]
    assert not infer_dims(*shapes, routes=(0,)).step_per_channel


@pytest.mark.parametrize(
    ("shapes", "position", "shape", "text"),
    [
        (SHARED, 0, (2, 5, 7), "x has shape (2, 5, 7), expected [B, H, W, D] or [K, B, H, W, D]"),
        (SHARED, 1, (2, 5, 7, 24), "proj has shape (2, 5, 7, 24), expected (2, 5, 7, 10)"),
        (OWN, 0, (4, 2, 5, 7, 24), "x has shape (4, 2, 5, 7, 24), expected (2, 2, 5, 7, 24)"),
        (OWN, 1, (2, 5, 7, 10), "proj has shape (2, 5, 7, 10), expected [K, B, H, W, R + 2 N]"),
        (SHARED, 2, (2, 257, 24), "R must be in 1..256; got R=257"),
        (SHARED, 4, (2, 0, 24), "N must be in 1..256; got N=0"),
        (SHARED, 5, (4, 24), "d has shape (4, 24), expected (2, 24)"),
        (
            SHARED,
            2,
            (2, 1, 24),
            "proj has shape (2, 5, 7, 10), expected (2, 5, 7, 6) or (2, 5, 7, 52)",
        ),
    ],
)
def test_a_wrong_shape_is_named(shapes, position, shape, text):
    wrong = list(shapes)
    wrong[position] = shape
    with pytest.raises(ValueError, match=r"expected|got") as problem:
        infer_dims(*wrong, routes=(0, 2))
    assert str(problem.value) == text


@pytest.mark.parametrize("routes", [(), (4,), (2, -1), (0, 1, 2, 3, 0)], ids=str)
def test_other_routes_are_named(routes):
    with pytest.raises(ValueError, match="routes is") as problem:
        infer_dims(*SHARED, routes=routes)
    expected = "1 to 4 numbers from 0 to 3"
    assert str(problem.value) == f"routes is {list(routes)}, expected {expected}"
