"""The plugin driven through its interface as TensorRT does, over the emulated kernels.

Address and undefined-behaviour sanitizers watch the plugin and the kernels.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from emulation import (
    PLUGINS,
    SANITIZER_FLAGS,
    SIGNATURE_SOURCES,
    VECTOR_FLAGS,
    compile_emulated,
)
from scan_cases import check_answer, write_call

from vmamba_deploy.native.headers import TENSORRT
from vmamba_deploy.ops.op import BFLOAT16, FLOAT16, FLOAT32
from vmamba_deploy.ops.selective_scan_2d.specification import ScanDims
from vmamba_deploy.testing import random_case


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


@pytest.mark.parametrize(
    ("in_dtype", "out_dtype"),
    [
        (FLOAT32, FLOAT32),
        (FLOAT16, FLOAT32),
        (BFLOAT16, FLOAT32),
        (FLOAT16, FLOAT16),
        (BFLOAT16, BFLOAT16),
    ],
)
@pytest.mark.parametrize(
    "dims",
    [
        ScanDims(batch=2, height=7, width=9, channels=19, state=1, rank=4),
        ScanDims(batch=1, height=13, width=11, channels=133, state=16, rank=3),
        ScanDims(batch=1, height=3, width=2, channels=5, state=18, rank=1),
    ],
    ids=str,
)
def test_its_whole_life(
    harness: Path, tmp_path: Path, dims: ScanDims, in_dtype: int, out_dtype: int
) -> None:
    case = random_case(dims, in_dtype, seed=dims.channels)
    call, answer = tmp_path / "call.bin", tmp_path / "y.bin"
    write_call(call, case, out_dtype)
    result = subprocess.run(
        [str(harness), str(call), str(answer)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    check_answer(answer, case, out_dtype)
    # One refusal for each input, each naming what is wrong.
    assert result.stderr.count("expected") == len(case.inputs) + 2
    assert "the node has 5 inputs" in result.stderr
