"""The plugins driven through its interface as TensorRT does, over the emulated kernels.

Address and undefined-behaviour sanitizers watch the plugins and the kernels.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import roi_align_cases
import scan_cases
from emulation import (
    PLUGINS,
    SANITIZER_FLAGS,
    SIGNATURE_SOURCES,
    VECTOR_FLAGS,
    compile_emulated,
)

from vmamba_deploy.native.headers import TENSORRT
from vmamba_deploy.ops.op import FLOAT16, FLOAT32
from vmamba_deploy.ops.selective_scan_2d.specification import ScanDims
from vmamba_deploy.testing import (
    DTYPE_PAIRS,
    RoiAlignDims,
    every_form,
    random_case,
    random_roi_align_case,
)

GENERAL = [
    form
    for state in (1, 16)
    for form in every_form(ScanDims(batch=2, height=3, width=7, channels=19, state=state, rank=4))
]


@pytest.fixture(scope="session")
def harness(plugin_library: Path) -> Path:
    """The program, compiled with the headers that the library was built with."""
    assert plugin_library.is_file()
    tensorrt = TENSORRT.find()
    assert tensorrt is not None
    driver = PLUGINS / "tests" / "plugin_harness"
    return compile_emulated(
        (*SANITIZER_FLAGS, *VECTOR_FLAGS),
        (
            driver / "plugin_harness.cpp",
            *(PLUGINS / "tensorrt").glob("*.cpp"),
            *SIGNATURE_SOURCES,
        ),
        options=("-isystem", tensorrt, f"-I{PLUGINS / 'tensorrt'}", f"-I{driver}"),
    )


def live(harness: Path, plugin: str, call: Path, answer: Path) -> str:
    """Run the program; what it printed of refusals."""
    command = [str(harness), plugin, str(call), str(answer)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stderr


@pytest.mark.parametrize(("in_dtype", "out_dtype"), DTYPE_PAIRS)
@pytest.mark.parametrize(
    "dims",
    [
        ScanDims(batch=2, height=7, width=9, channels=19, state=1, rank=4),
        ScanDims(batch=1, height=13, width=11, channels=133, state=16, rank=3),
        ScanDims(batch=1, height=3, width=2, channels=5, state=18, rank=1),
    ],
    ids=str,
)
def test_the_whole_life_of_a_scan(
    harness: Path, tmp_path: Path, dims: ScanDims, in_dtype: int, out_dtype: int
) -> None:
    case = random_case(dims, in_dtype, seed=dims.channels)
    call, answer = tmp_path / "call.bin", tmp_path / "y.bin"
    scan_cases.write_call(call, case, out_dtype)
    printed = live(harness, "SelectiveScan2D", call, answer)
    scan_cases.check_answer(answer, case, out_dtype)
    # One refusal for each input, each naming what is wrong.
    assert printed.count("vmamba::SelectiveScan2D: ") == printed.count("expected")
    assert printed.count("expected") == len(case.inputs) + 2
    assert "the node has 5 inputs" in printed


@pytest.mark.parametrize("dims", GENERAL, ids=str)
def test_the_whole_life_of_a_general_scan(harness: Path, tmp_path: Path, dims: ScanDims) -> None:
    case = random_case(dims, FLOAT16, seed=dims.channels)
    call, answer = tmp_path / "call.bin", tmp_path / "y.bin"
    scan_cases.write_call(call, case, FLOAT32, routes=True)
    printed = live(harness, "SelectiveScan", call, answer)
    scan_cases.check_answer(answer, case, FLOAT32)
    assert printed.count("vmamba::SelectiveScan: ") == printed.count("expected")
    assert printed.count("expected") == len(case.inputs) + 2


@pytest.mark.parametrize(("in_dtype", "out_dtype"), DTYPE_PAIRS)
@pytest.mark.parametrize(
    "dims",
    [
        RoiAlignDims(batch=2, boxes=7, channels=19, height=130, width=250, output_size=7),
        RoiAlignDims(batch=1, boxes=5, channels=3, height=64, width=900, output_size=14),
    ],
    ids=str,
)
def test_the_whole_life_of_a_roi_align(
    harness: Path, tmp_path: Path, dims: RoiAlignDims, in_dtype: int, out_dtype: int
) -> None:
    case = random_roi_align_case(dims, in_dtype, seed=dims.channels)
    call, answer = tmp_path / "call.bin", tmp_path / "y.bin"
    roi_align_cases.write_call(call, case, out_dtype)
    printed = live(harness, "MultiLevelRoiAlign", call, answer)
    roi_align_cases.check_answer(answer, case, out_dtype)
    assert printed.count("vmamba::MultiLevelRoiAlign: ") == printed.count("expected")
    assert printed.count("expected") == len(case.inputs) + 2
    assert "the node has 4 inputs" in printed
