"""The op's kernels, compiled here, keep their budget and are known to the model."""

from __future__ import annotations

import math

import pytest

from benchmarks.kernel_model.budget import (
    ARCHITECTURES,
    excesses,
    failure_text,
    measure,
    read_budget,
)
from benchmarks.kernel_model.compiled import CompiledKernels, load_kernels
from benchmarks.kernel_model.gpus import A100, H100
from benchmarks.kernel_model.kernels import unused_rules
from benchmarks.kernel_model.predict import predict
from benchmarks.kernel_model.profile import profile
from benchmarks.op_shapes import BATCHES, OP_SHAPES
from vmamba_deploy.errors import EnvironmentProblem

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def compiled() -> dict[int, CompiledKernels]:
    try:
        return load_kernels(ARCHITECTURES)
    except EnvironmentProblem as problem:
        pytest.skip(f"{problem.message}: {problem.hint}")


def test_no_kernel_exceeds_its_budget(compiled):
    found = excesses(read_budget(), measure(compiled))
    assert not found, failure_text(found)


def test_the_budget_has_no_kernel_that_is_gone(compiled):
    budget = read_budget()
    assert set(budget) == {str(architecture) for architecture in ARCHITECTURES}
    for architecture, code in compiled.items():
        assert set(budget[str(architecture)]) == set(code.functions)


def test_every_rule_for_a_loop_is_in_use(compiled):
    for code in compiled.values():
        assert unused_rules([profile(each) for each in code.functions.values()]) == []


@pytest.mark.parametrize("gpu", [H100, A100], ids=lambda gpu: gpu.name)
@pytest.mark.parametrize("batch", BATCHES)
def test_no_prediction_is_below_the_floor_of_its_special_functions(compiled, gpu, batch):
    for shape in OP_SHAPES:
        predicted = predict(compiled[gpu.compute_capability], shape, batch, gpu)
        floor_us = shape.special_functions(batch) / gpu.special_per_s * 1e6
        scan_us = predicted.total_us - predicted.projection_us
        assert math.isfinite(scan_us)
        assert scan_us > floor_us
        assert predicted.launches
