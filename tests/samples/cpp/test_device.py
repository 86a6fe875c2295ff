"""Contexts, streams, memory and graphs: made, used and given back in their order, and no leak.

The driver is one that the tests made, but where there is a GPU, its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.samples.cpp.programs import Outcome, program

Walk = Callable[..., Outcome]


@pytest.fixture
def walk(checks: Path) -> Walk:
    def call(part: str, **environment: str) -> Outcome:
        fake = {"LD_LIBRARY_PATH": str(checks), "FAKE_GPU": "8.9"}
        return program(checks / "walk_device")(
            part, environment={**os.environ, **fake, **environment}
        )

    return call


def test_memory_is_given_back_before_its_context(walk: Walk) -> None:
    done = walk("copy")
    assert done.code == 0, done.err
    assert done.out.splitlines() == [
        "retain context",
        "create stream",
        "allocate",
        "allocate pinned",
        "free pinned",
        "free",
        "destroy stream",
        "release context",
    ]


def test_a_graph_is_recorded_once_and_launched(walk: Walk) -> None:
    done = walk("graph")
    assert done.code == 0, done.err
    assert done.out.splitlines() == [
        "retain context",
        "create stream",
        "begin capture",
        "work",
        "end capture",
        "instantiate graph",
        "destroy graph",
        "launch graph",
        "launch graph",
        "destroy executable graph",  # before another is recorded, whose work fails
        "begin capture",
        "end capture",
        "destroy graph",
        "destroy stream",
        "release context",
    ]


def test_work_that_cannot_be_recorded_is_told_and_not_run(walk: Walk) -> None:
    done = walk("graph", FAKE_NO_CAPTURE="1")
    assert done.code == 0, done.err
    assert "not recorded" in done.out
    assert "work" not in done.out.splitlines()


def test_too_little_memory_is_an_error_of_resources(walk: Walk) -> None:
    done = walk("memory")
    assert done.code == 8
    assert done.error == "cuMemAlloc_v2 failed: CUDA_ERROR_OUT_OF_MEMORY"
    assert done.out.splitlines() == ["retain context", "release context"]


@pytest.mark.gpu
@pytest.mark.parametrize("part", ["copy", "graph"])
def test_the_real_driver_takes_the_same_calls(checks: Path, part: str) -> None:
    # The sanitizer's shadow lies where the driver wants memory: let it move.
    environment = {**os.environ, "ASAN_OPTIONS": "protect_shadow_gap=0:detect_leaks=0"}
    done = program(checks / "walk_device")(part, environment=environment)
    assert done.code == 0, done.err
