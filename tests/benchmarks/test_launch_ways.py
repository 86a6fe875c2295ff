"""The cases by which every way of launching the kernels is compared with float64."""

from __future__ import annotations

import shutil

import pytest

from benchmarks.gpu_check.launch_ways import cases_of_every_way, way_of
from benchmarks.kernel_model.gpus import GPUS, H100, Gpu
from benchmarks.kernel_model.plan import make_plan
from benchmarks.op_shapes import OP_SHAPES, OpShape

pytestmark = pytest.mark.skipif(
    all(shutil.which(name) is None for name in ("g++", "c++", "clang++")),
    reason="there is no C++ compiler to build the plan with",
)


@pytest.mark.parametrize("gpu", GPUS, ids=lambda gpu: gpu.name)
def test_each_case_takes_the_way_that_it_is_named_after(gpu: Gpu) -> None:
    cases = cases_of_every_way(gpu)
    assert len({case.kind for case in cases}) == len(cases)
    for case in cases:
        dims = case.dims
        shape = OpShape(dims.height, dims.channels, dims.state, dims.rank)
        assert way_of(dims.state, make_plan(shape, dims.batch, gpu)) == case.kind
        # What float64 on a GPU follows within a second or two.
        assert dims.batch * dims.length * dims.channels * dims.state < 5e8


def test_the_judged_shapes_take_no_other_way() -> None:
    found = {case.kind for case in cases_of_every_way(H100)}
    for shape in OP_SHAPES:
        for batch in (1, 3, 8, 24, 32, 128):
            assert way_of(shape.state, make_plan(shape, batch, H100)) in found


def test_whole_images_and_segments_are_both_met() -> None:
    kinds = [case.kind for case in cases_of_every_way(H100)]
    for states in ("one state", "few states", "many states"):
        cut = ["segment" in kind for kind in kinds if kind.startswith(states)]
        assert any(cut)
        assert not all(cut)
