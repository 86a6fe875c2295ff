"""The library's CUDA kernel as ONNX Runtime drives it, over kernels emulated on the host.

Address and undefined-behaviour sanitizers watch; a leak of what the session lends ends the program.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from emulation import PLUGINS, SANITIZER_FLAGS, VECTOR_FLAGS, compile_emulated
from onnx import TensorProto
from scan_model import NUMPY_TYPES, ScanCase

from vmamba_deploy.native.headers import ONNXRUNTIME
from vmamba_deploy.ops.selective_scan_2d.float64_reference import selective_scan_2d_float64

F32, F16, BF16 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16
NMSE_LIMIT = {F32: 1e-11, F16: 1e-7, BF16: 5e-6}
HARNESS = Path(__file__).with_name("cuda_harness.cpp")
CASE = ScanCase(2, 7, 9, 37, 1, 4)
SOURCES = ("register.cpp", "scan_op.cpp", "scan_node.cpp", "compute_cuda.cpp", "compute_cpu.cpp")


@pytest.fixture(scope="session")
def harness(ort_library) -> Path:
    assert ort_library.is_file()  # its build has fetched the headers
    headers = ONNXRUNTIME.find()
    assert headers is not None
    return compile_emulated(
        (*SANITIZER_FLAGS, *VECTOR_FLAGS),
        (HARNESS, *(PLUGINS / "onnxruntime" / name for name in SOURCES)),
        options=(
            *("-Wno-psabi", "-DVMAMBA_ORT_CUDA", "-pthread", "-isystem", headers),
            f"-I{PLUGINS / 'onnxruntime'}",
        ),
    )


def call(harness: Path, folder: Path, arrays, out_dtype: int, *options: str):
    """What the program saw, as a dictionary, and y's bytes."""
    header = [out_dtype]
    dtypes = {dtype: number for number, dtype in NUMPY_TYPES.items()}
    for value in arrays.values():
        header += [dtypes[value.dtype], value.ndim, *value.shape]
    data = b"".join(np.ascontiguousarray(value).tobytes() for value in arrays.values())
    (folder / "call.bin").write_bytes(np.array(header, np.int64).tobytes() + data)
    result = subprocess.run(
        [str(harness), str(folder / "call.bin"), str(folder / "y.bin"), *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    counts, _, status = result.stdout.strip().partition(" status=")
    seen = {name: int(value) for name, value in (one.split("=") for one in counts.split())}
    return seen, status, (folder / "y.bin").read_bytes()


@pytest.mark.parametrize(
    ("in_dtype", "out_dtype"), [(F32, F32), (F16, F32), (F16, F16), (BF16, F32), (BF16, BF16)]
)
def test_it_computes_the_scan(harness, tmp_path, in_dtype, out_dtype):
    arrays = CASE.arrays(in_dtype, seed=1)
    _, status, y = call(harness, tmp_path, arrays, out_dtype)
    assert status == "ok"
    got = np.frombuffer(y, NUMPY_TYPES[out_dtype]).reshape(arrays["x"].shape).astype(np.float64)
    expected = selective_scan_2d_float64(*arrays.values())
    assert np.sum((got - expected) ** 2) <= NMSE_LIMIT[out_dtype] * np.sum(expected**2)


def test_scratch_memory_goes_back_to_the_session(harness, tmp_path):
    seen, status, _ = call(harness, tmp_path, CASE.arrays(F16, seed=2), F32)
    assert status == "ok"
    assert seen == {"streams": 1, "allocators": 1, "released": 1, "scratch": 1, "freed": 1}


def test_a_full_device_is_an_error_of_the_run(harness, tmp_path):
    seen, status, _ = call(harness, tmp_path, CASE.arrays(F16, seed=3), F32, "no-memory")
    assert status == "the arena is full"
    assert seen["allocators"] == seen["released"] == 1
    assert seen["freed"] == 0


def test_a_wrong_shape_is_told_before_anything_is_launched(harness, tmp_path):
    arrays = CASE.arrays(F16, seed=4) | {"dt_bias": np.zeros((4, 36), np.float32)}
    seen, status, _ = call(harness, tmp_path, arrays, F32)
    assert "dt_bias has shape [4,36], expected [4,37]" in status
    assert not any(seen.values())
