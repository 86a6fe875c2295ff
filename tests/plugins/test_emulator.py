"""The emulator itself: what it computes, and the faults of kernels that it must find."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from emulation import (
    EMULATION,
    EMULATOR_SOURCES,
    SANITIZER_FLAGS,
    VECTOR_FLAGS,
    compile_emulated,
)

from tests.processes import HANG_S

SEEDS = (0, 1, 2, 3)


@pytest.fixture(scope="module")
def program() -> Path:
    flags = (*SANITIZER_FLAGS, *VECTOR_FLAGS)
    own = (EMULATION / "emulator_program.cpp",)
    return compile_emulated(flags, own, sources=EMULATOR_SOURCES)


def run(program: Path, kernel: str, seed: int) -> subprocess.CompletedProcess[str]:
    command = [str(program), kernel, str(seed)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=HANG_S)


def values(program: Path, kernel: str, seed: int) -> list[float]:
    result = run(program, kernel, seed)
    assert result.returncode == 0, result.stdout + result.stderr
    return [float(value) for value in result.stdout.split()]


@pytest.mark.parametrize("seed", SEEDS)
def test_shuffles_and_the_barrier_of_the_block(program: Path, seed: int) -> None:
    expected = [(thread // 32 + 1) % 3 * 32 + thread % 32 for thread in range(96)]
    assert values(program, "right", seed) == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_a_warp_waits_for_the_one_before(program: Path, seed: int) -> None:
    assert values(program, "handed_over", seed) == [thread // 32 for thread in range(96)]


def test_a_product_of_matrices(program: Path) -> None:
    assert values(program, "multiplied", 0) == [0.0] * 96


def test_shared_memory_begins_as_nan(program: Path) -> None:
    assert all(value != value for value in values(program, "never_written", 0))


def test_the_order_of_threads_shows_a_missing_barrier(program: Path) -> None:
    results = {str(values(program, "no_barrier", seed)) for seed in SEEDS}
    assert len(results) > 1


def test_a_read_past_shared_memory_is_found(program: Path) -> None:
    result = run(program, "beyond_shared", 0)
    assert result.returncode != 0
    assert "heap-buffer-overflow" in result.stderr


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        ("diverged", "lane 3 of warp 1 is at __syncwarp, others of its warp at shuffle_up"),
        ("lane_left", "a wait without end: lane 0 of warp 0 at shuffle_up"),
        ("nobody_arrives", "a wait without end: lane 0 of warp 1 at barrier 4"),
        ("arrives_twice", "lane 0 of warp 0 arrives again at barrier 2"),
        ("one_warp_short", "a wait without end: lane 0 of warp 0 at __syncthreads"),
    ],
)
def test_what_no_gpu_lets_pass_is_told(program: Path, kernel: str, message: str) -> None:
    result = run(program, kernel, 0)
    assert result.returncode == 1, result.stdout + result.stderr
    assert result.stdout.startswith(f"{kernel}, block 0: {message}")
