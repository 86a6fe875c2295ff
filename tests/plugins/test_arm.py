"""The NEON kernels, run by qemu, against float64 and against the bits of this machine's kernels."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import roi_align_cases
import scan_cases
from arm import ArmBuild, arm_build, run

from benchmarks.c_interface import load_native
from tests.ops.multi_level_roi_align.conftest import run_native as run_roi_align
from tests.ops.selective_scan.conftest import run_scan
from vmamba_deploy.errors import EnvironmentProblem
from vmamba_deploy.native import check_loadable, toolchain
from vmamba_deploy.ops.op import FLOAT32
from vmamba_deploy.ops.selective_scan.specification import ScanDims
from vmamba_deploy.testing import (
    DTYPE_PAIRS,
    SPECIAL_BOXES,
    RoiAlignDims,
    check_accuracy,
    every_form,
    numpy_dtype,
    random_case,
    random_roi_align_case,
)

# Channels that end within a vector, and those of 1, 2 and 3 vectors.
TWO_D = [
    ScanDims(batch=2, height=1, width=96, channels=7, state=1, rank=3),
    ScanDims(batch=1, height=13, width=9, channels=96, state=1, rank=6),
    ScanDims(batch=1, height=5, width=7, channels=25, state=16, rank=47),
]
FORMS = every_form(ScanDims(batch=2, height=5, width=9, channels=21, state=3, rank=4))
BOXES = [
    RoiAlignDims(batch=2, boxes=9, channels=35, height=150, width=190, output_size=7),
    RoiAlignDims(batch=1, boxes=4, channels=3, height=64, width=300, output_size=14),
]


@dataclass(frozen=True)
class Checked:
    """A call of an op with the exact answer, and that of this machine's kernels."""

    op: str
    name: str
    expected: np.ndarray
    out_dtype: int
    write: Callable[[Path], None]
    run_here: Callable[[], np.ndarray]


def scans(op: str, every: list[ScanDims], dtypes: tuple[int, int], seed: int) -> Iterator[Checked]:
    in_dtype, out_dtype = dtypes
    for dims in every:
        case = random_case(dims, in_dtype, seed, steps=(2.5e-3, 1.3))
        yield Checked(
            op,
            str(dims),
            case.expected,
            out_dtype,
            lambda path, case=case: scan_cases.write_call(
                path, case, out_dtype, routes=op == "SelectiveScan"
            ),
            lambda case=case: run_scan(case, out_dtype),
        )


def roi_aligns(dtypes: tuple[int, int], seed: int) -> Iterator[Checked]:
    in_dtype, out_dtype = dtypes
    special = np.concatenate([np.float32(boxes) for boxes in SPECIAL_BOXES.values()])
    all_special = RoiAlignDims(1, len(special), 3, 256, 320, 7)
    for dims, boxes in [*((dims, None) for dims in BOXES), (all_special, special)]:
        case = random_roi_align_case(dims, in_dtype, seed, boxes)
        yield Checked(
            "MultiLevelRoiAlign",
            str(dims),
            case.expected,
            out_dtype,
            lambda path, case=case: roi_align_cases.write_call(path, case, out_dtype),
            lambda case=case: run_roi_align(case, out_dtype),
        )


@pytest.fixture(scope="session")
def arm() -> ArmBuild:
    return arm_build()


@pytest.mark.parametrize("dtypes", DTYPE_PAIRS, ids=str)
def test_every_op_in_every_dtype(arm: ArmBuild, tmp_path: Path, dtypes: tuple[int, int]) -> None:
    seed = secrets.randbits(32)
    calls = [
        *scans("SelectiveScan2D", TWO_D, dtypes, seed),
        *scans("SelectiveScan", FORMS, dtypes, seed),
        *roi_aligns(dtypes, seed),
    ]
    for number, call in enumerate(calls):
        call.write(tmp_path / f"{number}.call")
    answers = {}
    for kernel in ("neon", "portable"):
        words = [
            word
            for number, call in enumerate(calls)
            for word in (call.op, tmp_path / f"{number}.call", tmp_path / f"{number}.{kernel}")
        ]
        # NEON is what is chosen where nothing else is asked for.
        assert arm.call(words, "" if kernel == "neon" else kernel) == kernel
        answers[kernel] = [
            (tmp_path / f"{number}.{kernel}").read_bytes() for number in range(len(calls))
        ]
    fuses = load_native("vmamba_cpu").function("vmamba_cpu_isa")() != b"portable"
    for call, neon, portable in zip(calls, answers["neon"], answers["portable"], strict=True):
        y = np.frombuffer(neon, numpy_dtype(call.out_dtype)).reshape(call.expected.shape)
        told = f"{call.op}, {call.name}, seed {seed}"
        try:
            check_accuracy(y, call.expected, call.out_dtype)
        except AssertionError as error:
            raise AssertionError(f"{told}: {error}") from error
        # The same operations in the same order, fused alike.
        assert neon == portable, told
        assert not fuses or neon == call.run_here().tobytes(), told


def test_the_special_functions_over_their_whole_range(arm: ArmBuild) -> None:
    ctest = toolchain.require_tool("cmake").with_name("ctest")
    ran = run([ctest, "--test-dir", arm.tree, "-R", "cpu_vector_math_neon", "--output-on-failure"])
    assert "cpu_vector_math_neon .............   Passed" in ran


def test_its_instructions_are_those_of_neon(arm: ArmBuild) -> None:
    neon, portable = arm.disassembled("neon"), arm.disassembled("portable")
    for instruction in (
        r"fmla\tv\d+\.4s",
        r"fmax\tv\d+\.4s",
        r"fmin\tv\d+\.4s",
        r"fcvtl\tv\d+\.4s",
    ):
        assert re.search(instruction, neon), instruction
    assert not re.search(r"fcvtl\tv\d+\.4s|fmax\tv\d+\.4s", portable)
    # A product that is not fused with its sum would be rounded by itself.
    assert not re.search(r"\tfmadd\t", neon)


def test_an_unknown_kernel_is_refused_with_those_of_this_machine(
    arm: ArmBuild, tmp_path: Path
) -> None:
    (call,) = scans("SelectiveScan2D", TWO_D[:1], (FLOAT32, FLOAT32), seed=1)
    call.write(tmp_path / "call")
    with pytest.raises(AssertionError, match="VMAMBA_CPU_ISA=avx2: expected portable or neon"):
        arm.call([call.op, tmp_path / "call", tmp_path / "y"], "avx2")


@pytest.mark.parametrize("name", ["vmamba_cpu", "vmamba_ort"])
def test_its_libraries_are_for_that_machine(arm: ArmBuild, name: str) -> None:
    with pytest.raises(EnvironmentProblem, match="is made for aarch64"):
        check_loadable(arm.tree / "lib" / f"lib{name}.so")
