"""The CUDA kernels, compiled for the host: each access of shared memory held against barriers.

GCC's instrumentation for ThreadSanitizer tells of the accesses, and a detector of the emulation
takes its calls: see plugins/tests/emulation/race_detector.h.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from emulation import (
    EMULATION,
    PLAIN_FLAGS,
    SCAN_KERNELS,
    compile_emulated,
    compile_object,
    scan_kernels_of_half,
)
from launch_cases import LARGE, WAYS, EmulatedDevice, LaunchCase, Way
from scan_cases import check_answer, write_call

from vmamba_deploy.ops.op import FLOAT16
from vmamba_deploy.ops.selective_scan_2d.specification import ScanDims
from vmamba_deploy.testing import random_case


def build(kernels: Path = SCAN_KERNELS, *where: str | Path) -> Path:
    """The program, of whose sources the kernels alone are watched."""
    compiler = shutil.which("g++")
    version = subprocess.run([str(compiler), "--version"], capture_output=True, text=True)
    if compiler is None or "Free Software Foundation" not in version.stdout:
        pytest.skip("GCC is not installed, whose instrumentation this needs")
    watched = compile_object(kernels, (*PLAIN_FLAGS, "-fsanitize=thread"), where=where)
    own = (EMULATION / "scan_program.cpp",)
    return compile_emulated(PLAIN_FLAGS, own, instead={SCAN_KERNELS: watched})


@pytest.fixture(scope="session")
def watched_program() -> Path:
    return build()


def run(
    program: Path, folder: Path, device: EmulatedDevice, dims: ScanDims, seed: int
) -> subprocess.CompletedProcess[str]:
    case = random_case(dims, FLOAT16, seed=7)
    call, answer = folder / "call", folder / "y"
    write_call(call, case, FLOAT16, routes=True)
    arguments = [str(device.multiprocessors), str(device.shared_bytes_per_block), str(seed)]
    done = subprocess.run(
        [str(program), *arguments, str(call), str(answer)], capture_output=True, text=True
    )
    if done.returncode == 0:
        check_answer(answer, case, FLOAT16)
    return done


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_barriers_lie_between_the_warps_of_every_way(
    watched_program: Path, tmp_path: Path, launch_cases: dict[Way, LaunchCase], way: Way
) -> None:
    case = launch_cases[way]
    done = run(watched_program, tmp_path, case.device, case.dims, seed=3)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("seed", range(5))
def test_a_chain_of_six_warps_each_way(watched_program: Path, tmp_path: Path, seed: int) -> None:
    """compute-sanitizer reports this call, for it follows no barrier through a third warp."""
    done = run(watched_program, tmp_path, LARGE, ScanDims(1, 17, 17, 16, 1, 1), seed)
    assert done.returncode == 0, done.stderr


# Where a barrier is taken out, and what its text becomes.
BREAKS = {
    "the meeting in the middle": ("one_state/map.cuh", "if (meets_) __syncthreads();", ""),
    "from rows to columns": (
        "one_state/kernels.cuh",
        "if (step == 2) synchronize(params);",
        "",
    ),
    "from one warp of a chain to the next": (
        "one_state/run_scan.cuh",
        "pair_wait<1, kLastBarrier>(own_barrier);",
        "",
    ),
}


@pytest.mark.parametrize("what", BREAKS)
def test_a_barrier_that_is_missing_is_noticed(tmp_path: Path, what: str) -> None:
    name, barrier, instead = BREAKS[what]
    copy = scan_kernels_of_half(tmp_path)
    broken = copy / "cuda" / name
    text = broken.read_text()
    assert text.count(barrier) == 1
    broken.write_text(text.replace(barrier, instead))
    # What is broken may well be warned of.
    program = build(copy / "cuda" / SCAN_KERNELS.name, "-iquote", copy, "-Wno-error")
    done = run(program, tmp_path, LARGE, ScanDims(1, 17, 17, 16, 1, 1), seed=1)
    assert done.returncode != 0
    assert "and no barrier lies between" in done.stderr
