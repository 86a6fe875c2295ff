from __future__ import annotations

import ctypes
import gc
import re
import subprocess

import numpy as np
import pytest
from onnx import TensorProto
from scan_model import open_session, run, scan_model, zero_body

from vmamba_deploy.ops.selective_scan_2d.specification import ScanDims
from vmamba_deploy.testing import check_accuracy, random_case

F32, F16, BF16 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16
DTYPES = [(F32, F32), (F16, F32), (F16, F16), (BF16, F32), (BF16, BF16)]
CASES = [
    ScanDims(1, 1, 1, 1, 1, 1),
    ScanDims(2, 5, 7, 13, 1, 3),
    ScanDims(3, 9, 4, 33, 16, 6),
    ScanDims(0, 4, 4, 8, 1, 1),
]


@pytest.mark.parametrize(("in_dtype", "out_dtype"), DTYPES)
def test_agrees_with_float64_at_every_shape_of_one_session(ort_library, in_dtype, out_dtype):
    session = open_session(scan_model(in_dtype, out_dtype, body=zero_body()), ort_library)
    for seed, dims in enumerate(CASES):
        case = random_case(dims, in_dtype, seed)
        actual = run(session, case.by_name, in_dtype, out_dtype)
        check_accuracy(actual, case.expected, out_dtype)


def test_without_the_library_the_body_runs():
    arrays = random_case(CASES[1], F32, 7).by_name
    assert not run(open_session(scan_model(F32, F32, body=zero_body())), arrays, F32, F32).any()


def test_without_library_and_body_the_file_is_refused():
    with pytest.raises(Exception, match="SelectiveScan2D"):
        open_session(scan_model(F32, F32))


def test_the_library_needs_no_body(ort_library):
    arrays = random_case(CASES[1], F32, 8).by_name
    assert run(open_session(scan_model(F32, F32), ort_library), arrays, F32, F32).any()


@pytest.mark.parametrize(("in_dtype", "out_dtype"), DTYPES)
def test_bits_do_not_depend_on_threads(ort_library, in_dtype, out_dtype):
    arrays = random_case(ScanDims(2, 14, 14, 100, 1, 6), in_dtype, 11).by_name
    model = scan_model(in_dtype, out_dtype)
    one, two = (
        run(open_session(model, ort_library, threads=threads), arrays, in_dtype, out_dtype)
        for threads in (1, 2)
    )
    assert one.tobytes() == two.tobytes()


def test_several_sessions_live_at_once(ort_library):
    arrays = random_case(CASES[1], F32, 3).by_name
    model = scan_model(F32, F32)
    sessions = [open_session(model, ort_library) for _ in range(3)]
    first, *others = (run(session, arrays, F32, F32) for session in sessions)
    assert all(np.array_equal(first, other) for other in others)
    del sessions[0]
    assert np.array_equal(run(sessions[0], arrays, F32, F32), first)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("proj", (2, 5, 7, 19), r"proj has shape \(2, 5, 7, 19\), expected \(2, 5, 7, 20\)"),
        ("dt_bias", (4, 12), r"dt_bias has shape \(4, 12\), expected \(4, 13\)"),
        ("a", (3, 1, 13), r"a has shape \(3, 1, 13\), expected \(4, 1, 13\)"),
        ("d", (4, 1), r"d has shape \(4, 1\), expected \(4, 13\)"),
        ("dt_weight", (4, 3, 2), r"dt_weight has shape \(4, 3, 2\), expected \(4, 3, 13\)"),
    ],
)
def test_a_wrong_shape_is_told(ort_library, name, shape, message):
    session = open_session(scan_model(F32, F32), ort_library)
    arrays = random_case(CASES[1], F32, 0).by_name | {name: np.zeros(shape, np.float32)}
    with pytest.raises(Exception, match=message):
        run(session, arrays, F32, F32)


def test_a_state_beyond_the_limit_is_told(ort_library):
    session = open_session(scan_model(F32, F32), ort_library)
    with pytest.raises(Exception, match="257"):
        run(session, random_case(ScanDims(1, 1, 1, 2, 257, 1), F32, 0).by_name, F32, F32)


def test_an_unknown_out_dtype_is_refused(ort_library):
    with pytest.raises(Exception, match=r"out_dtype|double"):
        open_session(scan_model(F32, TensorProto.DOUBLE), ort_library)


def test_a_narrow_output_of_wide_inputs_is_refused(ort_library):
    with pytest.raises(Exception, match="SelectiveScan2D"):
        open_session(scan_model(F32, F16), ort_library)


class MallInfo(ctypes.Structure):
    """What glibc's mallinfo2 returns; `uordblks`, bytes in use, stands eighth of ten."""

    _fields_ = (
        *((f"before{i}", ctypes.c_size_t) for i in range(7)),
        ("used_bytes", ctypes.c_size_t),
        *((f"after{i}", ctypes.c_size_t) for i in range(2)),
    )


def test_a_session_leaves_no_memory_behind(ort_library):
    """Each load of a C++ library costs 73 kB for exceptions, so it must be loaded once."""
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = MallInfo
    model, used = scan_model(F32, F32), []
    for _ in range(2):
        for _ in range(20):
            open_session(model, ort_library)
        gc.collect()
        used.append(mallinfo2().used_bytes)
    assert used[1] - used[0] < 20 * 10_000


def test_exports_one_symbol(ort_library):
    listed = subprocess.run(
        ["nm", "-D", "--defined-only", str(ort_library)], capture_output=True, text=True, check=True
    )
    assert [line.split()[-1] for line in listed.stdout.splitlines()] == ["RegisterCustomOps"]


def test_needs_the_c_library_alone(ort_library):
    """No ONNX Runtime, no CUDA, and not the C++ library of the machine that it was built on."""
    dynamic = subprocess.run(
        ["readelf", "-d", str(ort_library)], capture_output=True, text=True, check=True
    )
    needed = set(re.findall(r"\(NEEDED\).*\[(.+?)\.so", dynamic.stdout))
    assert needed
    # Older C libraries keep threads, timers, mathematics and the loader in files of their own.
    assert needed <= {"libc", "libm", "libpthread", "librt", "libdl", "ld-linux-x86-64"}
