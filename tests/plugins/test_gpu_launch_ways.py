"""The cases by which every way of launching the kernels is compared with float64."""

from __future__ import annotations

from functools import cache

import pytest
from gpu_cases import AccuracyCase
from gpu_launch_ways import LARGEST_WORK, cases_of_every_way, way_of, work_of

from benchmarks.launch_plan import A100, H100, RTX_4090, RTX_5090, GpuLimits, make_plan
from benchmarks.op_shapes import OP_SHAPES
from vmamba_deploy.errors import EnvironmentProblem
from vmamba_deploy.native.toolchain import find_host_compiler

GPUS = {"H100": H100, "A100": A100, "RTX 4090": RTX_4090, "RTX 5090": RTX_5090}


@pytest.fixture(autouse=True, scope="module")
def a_compiler_for_the_plan() -> None:
    try:
        find_host_compiler()
    except EnvironmentProblem as absent:
        pytest.skip(absent.message)


@cache
def cases_of(gpu: GpuLimits) -> list[AccuracyCase]:
    return cases_of_every_way(gpu)


@pytest.mark.parametrize("name", GPUS)
def test_each_case_takes_the_way_that_it_is_named_after(name: str) -> None:
    gpu = GPUS[name]
    cases = cases_of(gpu)
    assert len({case.kind for case in cases}) == len(cases) > 1
    for case in cases:
        assert way_of(case.dims, make_plan(case.dims, gpu)) == case.kind
        assert work_of(case.dims) <= LARGEST_WORK or any(
            case.dims == shape.dims(case.dims.batch) for shape in OP_SHAPES
        )


def test_the_cases_of_a_gpu_are_always_the_same() -> None:
    assert cases_of_every_way(H100) == cases_of(H100)


def test_the_judged_shapes_take_no_other_way() -> None:
    found = {case.kind for case in cases_of(H100)}
    for shape in OP_SHAPES:
        for batch in (1, 3, 8, 24, 32, 128):
            assert way_of(shape.dims(batch), make_plan(shape.dims(batch), H100)) in found


def test_whole_images_and_segments_are_both_met() -> None:
    kinds = [case.kind for case in cases_of(H100)]
    routes = ("", ", routes: 3", ", routes: 2", ", routes: 1")
    many = [f"{states} states{of}" for states in ("few", "many") for of in routes]
    for start in ("one state", *many):
        cut = ["segment" in kind for kind in kinds if kind.startswith(start)]
        assert any(cut)
        assert not all(cut)
