"""The library's CUDA kernel as ONNX Runtime drives it, over kernels emulated on the host.

Address and undefined-behaviour sanitizers watch; a leak of what the session lends ends the program.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
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
from onnx import TensorProto

from vmamba_deploy.native.headers import ONNXRUNTIME
from vmamba_deploy.ops.selective_scan_2d.specification import ScanDims
from vmamba_deploy.testing import (
    RoiAlignCase,
    RoiAlignDims,
    ScanCase,
    every_form,
    random_case,
    random_roi_align_case,
)

F32, F16, BF16 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16
HARNESS = Path(__file__).with_name("cuda_harness.cpp")
DIMS = ScanDims(2, 7, 9, 37, 1, 4)
GENERAL = [form for state in (1, 4) for form in every_form(ScanDims(1, 3, 7, 20, state, 3))]
SOURCES = ("register.cpp", "node.cpp")


@pytest.fixture(scope="session")
def harness(ort_library) -> Path:
    assert ort_library.is_file()  # its build has fetched the headers
    headers = ONNXRUNTIME.find()
    assert headers is not None
    return compile_emulated(
        (*SANITIZER_FLAGS, *VECTOR_FLAGS),
        (
            HARNESS,
            *(PLUGINS / "onnxruntime" / name for name in SOURCES),
            *SIGNATURE_SOURCES,
        ),
        options=(
            *("-Wno-psabi", "-DVMAMBA_ORT_CUDA", "-pthread", "-isystem", headers),
            f"-I{PLUGINS / 'onnxruntime'}",
        ),
    )


def call(
    harness: Path,
    folder: Path,
    case: ScanCase | RoiAlignCase,
    out_dtype: int,
    *options: str,
    op: str = "SelectiveScan2D",
):
    """What the program saw, as a dictionary, and its status."""
    if isinstance(case, ScanCase):
        routes = op == "SelectiveScan"
        scan_cases.write_call(folder / "call.bin", case, out_dtype, routes=routes)
    else:
        op = "MultiLevelRoiAlign"
        roi_align_cases.write_call(folder / "call.bin", case, out_dtype)
    result = subprocess.run(
        [str(harness), op, str(folder / "call.bin"), str(folder / "y.bin"), *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    counts, _, status = result.stdout.strip().partition(" status=")
    seen = {name: int(value) for name, value in (one.split("=") for one in counts.split())}
    return seen, status


DTYPES = [(F32, F32), (F16, F32), (F16, F16), (BF16, F32), (BF16, BF16)]


@pytest.mark.parametrize(("in_dtype", "out_dtype"), DTYPES)
def test_it_computes_the_scan(harness, tmp_path, in_dtype, out_dtype):
    case = random_case(DIMS, in_dtype, seed=1)
    _, status = call(harness, tmp_path, case, out_dtype)
    assert status == "ok"
    scan_cases.check_answer(tmp_path / "y.bin", case, out_dtype)


@pytest.mark.parametrize("dims", GENERAL, ids=str)
def test_it_computes_the_general_scan(harness, tmp_path, dims):
    case = random_case(dims, F16, seed=1)
    _, status = call(harness, tmp_path, case, F32, op="SelectiveScan")
    assert status == "ok"
    scan_cases.check_answer(tmp_path / "y.bin", case, F32)


@pytest.mark.parametrize(("in_dtype", "out_dtype"), DTYPES)
def test_it_pools_boxes_without_scratch_memory(harness, tmp_path, in_dtype, out_dtype):
    case = random_roi_align_case(RoiAlignDims(2, 5, 9, 96, 130, 7), in_dtype, seed=5)
    seen, status = call(harness, tmp_path, case, out_dtype)
    assert status == "ok"
    assert seen == {"streams": 1, "allocators": 0, "released": 0, "scratch": 0, "freed": 0}
    roi_align_cases.check_answer(tmp_path / "y.bin", case, out_dtype)


def test_scratch_memory_goes_back_to_the_session(harness, tmp_path):
    seen, status = call(harness, tmp_path, random_case(DIMS, F16, seed=2), F32)
    assert status == "ok"
    assert seen == {"streams": 1, "allocators": 1, "released": 1, "scratch": 1, "freed": 1}


def test_a_full_device_is_an_error_of_the_run(harness, tmp_path):
    seen, status = call(harness, tmp_path, random_case(DIMS, F16, seed=3), F32, "no-memory")
    assert status == "the arena is full"
    assert seen["allocators"] == seen["released"] == 1
    assert seen["freed"] == 0


def test_a_wrong_shape_is_told_before_anything_is_launched(harness, tmp_path):
    inputs = list(random_case(DIMS, F16, seed=4).inputs)
    inputs[3] = np.zeros((4, 36), np.float32)
    seen, status = call(harness, tmp_path, ScanCase(DIMS, F16, tuple(inputs)), F32)
    assert "dt_bias has shape (4, 36), expected (4, 37)" in status
    assert not any(seen.values())
