"""The C++ kernel against the float64 reference, and the equality of its bits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.c_interface import load_native
from tests.ops.executors import executor_of, own_threads
from tests.processes import HANG_S
from vmamba_deploy.ops.op import BFLOAT16, FLOAT16, FLOAT32
from vmamba_deploy.ops.selective_scan_2d.specification import ScanDims
from vmamba_deploy.testing import check_accuracy

DTYPES = [(FLOAT32, FLOAT32), (FLOAT16, FLOAT32), (BFLOAT16, FLOAT32)]
DTYPES += [(FLOAT16, FLOAT16), (BFLOAT16, BFLOAT16)]
# B, H, W, D, N, R
SHAPES = [
    (1, 1, 1, 1, 1, 1),
    (2, 1, 96, 7, 1, 3),
    (1, 96, 1, 33, 2, 48),
    (1, 5, 96, 24, 1, 6),
    (1, 96, 3, 16, 3, 12),
    (3, 7, 5, 97, 16, 6),
    (1, 13, 9, 96, 1, 47),
    (2, 8, 4, 25, 5, 24),
    (1, 3, 11, 40, 64, 9),
    (1, 3, 3, 9, 256, 256),
]
PRESET_SHAPES = [(1, 56, 56, 96, 1, 6), (1, 14, 14, 384, 1, 24), (2, 7, 7, 768, 1, 48)]


@pytest.mark.parametrize(("in_dtype", "out_dtype"), DTYPES)
@pytest.mark.parametrize("sizes", SHAPES)
def test_odd_shapes(sizes, in_dtype, out_dtype, scan_case, native_scan):
    case = scan_case(ScanDims(*sizes), in_dtype, seed=sum(sizes))
    check_accuracy(native_scan(case, out_dtype), case.expected, out_dtype)


@pytest.mark.parametrize("sizes", PRESET_SHAPES)
def test_preset_shapes(sizes, scan_case, native_scan):
    case = scan_case(ScanDims(*sizes), FLOAT32, seed=3)
    check_accuracy(native_scan(case), case.expected, FLOAT32)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_random_shapes(data, scan_case, native_scan):
    draw = data.draw
    height = draw(st.integers(1, 96), "H")
    width = draw(st.integers(1, max(1, min(96, 400 // height))), "W")
    if draw(st.booleans(), "transpose"):
        height, width = width, height
    sizes = (draw(st.integers(1, 3), "B"), height, width, draw(st.integers(1, 130), "D"))
    dims = ScanDims(*sizes, state=draw(st.integers(1, 16), "N"), rank=draw(st.integers(1, 48), "R"))
    in_dtype, out_dtype = draw(st.sampled_from(DTYPES), "dtypes")
    case = scan_case(dims, in_dtype, seed=draw(st.integers(0, 2**32 - 1), "seed"))
    check_accuracy(native_scan(case, out_dtype), case.expected, out_dtype)


@pytest.mark.parametrize("sizes", [(3, 9, 6, 97, 2, 5), (1, 14, 14, 96, 1, 24), (2, 5, 5, 7, 1, 3)])
def test_bits_do_not_depend_on_who_runs_it(sizes, scan_case, native_scan):
    case = scan_case(ScanDims(*sizes), FLOAT16, seed=5)
    expected = native_scan(case)
    executors = [own_threads(n) for n in (1, 2, 3, 7)]
    executors += [executor_of(n, backwards=n > 1) for n in (1, 2, 64)]
    for executor in [None, *executors]:
        np.testing.assert_array_equal(native_scan(case, executor=executor), expected)


def test_bits_do_not_depend_on_the_place_in_the_batch(scan_case, native_scan):
    case = scan_case(ScanDims(1, 9, 13, 50, 2, 7), FLOAT32, seed=6)
    alone = native_scan(case)
    x, proj, *parameters = case.inputs
    others = scan_case(ScanDims(4, 9, 13, 50, 2, 7), FLOAT32, seed=7)
    for place in range(5):
        inputs = tuple(
            np.insert(other, place, own[0], axis=0)
            for other, own in zip(others.inputs[:2], (x, proj), strict=True)
        )
        batch = type(case)(ScanDims(5, 9, 13, 50, 2, 7), FLOAT32, (*inputs, *parameters))
        np.testing.assert_array_equal(native_scan(batch)[place], alone[0])


def test_empty_batch_touches_nothing(scan_case, native_scan):
    assert native_scan(scan_case(ScanDims(0, 3, 4, 5, 1, 2))).shape == (0, 3, 4, 5)


@pytest.mark.parametrize("bias", [-100.0, -30.0, 30.0, 100.0])
def test_extreme_steps(bias, scan_case, native_scan):
    case = scan_case(ScanDims(1, 6, 7, 19, 2, 3), FLOAT32, seed=8)
    case.inputs[3][:] = bias
    check_accuracy(native_scan(case), case.expected, FLOAT32)


def test_state_that_forgets_at_once(scan_case, native_scan):
    case = scan_case(ScanDims(1, 24, 17, 9, 2, 3), FLOAT32, seed=9)
    case.inputs[4][:] *= np.float32(1e4)
    check_accuracy(native_scan(case), case.expected, FLOAT32)


def test_state_that_never_forgets(scan_case, native_scan):
    # A sum of 408 terms of both signs: its small values carry the rounding of its large ones, so
    # the pointwise bound does not apply; a biased decay would still show in the NMSE.
    case = scan_case(ScanDims(1, 24, 17, 9, 2, 3), FLOAT32, seed=9)
    case.inputs[4][:] *= np.float32(1e-6)
    expected = case.expected
    difference = native_scan(case) - expected
    assert (difference**2).sum() <= 1e-12 * (expected**2).sum()


def test_not_a_number_and_infinity_stay_visible(scan_case, native_scan):
    case = scan_case(ScanDims(1, 4, 4, 10, 1, 2), FLOAT32, seed=10)
    x, proj = case.inputs[:2]
    x[0, 1, 2, 3] = np.nan
    y = native_scan(case)
    assert np.isnan(y[0, :, :, 3]).all()  # some route carries it to every pixel
    assert np.isfinite(np.delete(y, 3, axis=-1)).all()
    x[0, 1, 2, 3] = 0
    proj[0, 2, 2, 0] = np.nan
    # A step concerns all channels, from its pixel to the end of route 0.
    assert np.isnan(native_scan(case).reshape(16, 10)[10:]).all()
    proj[0, 2, 2, 0] = 1
    x[0, 0, 0, 5] = np.inf
    y = native_scan(case)
    assert not np.isfinite(y[0, 0, 0, 5])
    assert np.isfinite(np.delete(y, 5, axis=-1)).all()


RUN_ELSEWHERE = """
import importlib.util, json, sys, numpy as np
spec = importlib.util.spec_from_file_location("cases", sys.argv[1])
cases = importlib.util.module_from_spec(spec); sys.modules["cases"] = cases
spec.loader.exec_module(cases)
from vmamba_deploy.errors import EnvironmentProblem
from vmamba_deploy.ops.selective_scan_2d.specification import ScanDims
from vmamba_deploy.testing import check_accuracy
from benchmarks.c_interface import load_native
library = load_native("vmamba_cpu")
print(library.function("vmamba_cpu_isa")().decode())
for number, (sizes, in_dtype, out_dtype) in enumerate(json.loads(sys.argv[2])):
    case = cases.make_case(ScanDims(*sizes), in_dtype, seed=number)
    try:
        y = cases.run_scan(case, out_dtype)
    except EnvironmentProblem as problem:
        print(problem.message); sys.exit(4)
    check_accuracy(y, case.expected, out_dtype)
"""


def run_elsewhere(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    sizes = [(2, 7, 5, 97, 2, 6), (1, 3, 40, 96, 1, 12), (1, 4, 4, 3, 16, 1)]
    calls = [(shape, *dtypes) for shape in sizes for dtypes in DTYPES]
    script = Path(__file__).with_name("conftest.py")
    library_folder = str(load_native("vmamba_cpu").path.parent)
    return subprocess.run(
        [sys.executable, "-c", RUN_ELSEWHERE, str(script), json.dumps(calls)],
        env=os.environ | {"VMAMBA_NATIVE_DIR": library_folder} | environment,
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )


@pytest.mark.parametrize("isa", ["portable", "avx2", "avx512"])
def test_every_instruction_set(isa):
    result = run_elsewhere({"VMAMBA_CPU_ISA": isa})
    if result.returncode == 4:
        assert result.stdout.splitlines()[0] == "unsupported"
        pytest.skip(result.stdout.splitlines()[1])
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == [isa]


def test_unknown_instruction_set_is_refused():
    result = run_elsewhere({"VMAMBA_CPU_ISA": "mmx"})
    assert result.returncode == 4
    assert "VMAMBA_CPU_ISA=mmx: expected portable, avx2 or avx512" in result.stdout


def test_a_forked_child_can_call_it(scan_case, native_scan):
    case = scan_case(ScanDims(4, 9, 9, 64, 1, 3), FLOAT32, seed=11)
    expected = native_scan(case, executor=own_threads(2))
    child = os.fork()
    if child == 0:
        same = np.array_equal(native_scan(case, executor=own_threads(2)), expected)
        os._exit(0 if same else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


CLOSE = """
import _ctypes, ctypes, os, sys
library = ctypes.CDLL(sys.argv[1])
class Executor(ctypes.Structure):
    _fields_ = [("context", ctypes.c_void_p), ("threads", ctypes.c_int32), ("run", ctypes.c_void_p)]
floats = (ctypes.c_float * 65536)()
desc = (ctypes.c_int64 * 6)(2, 4, 4, 64, 1 | 1 << 32, 1 | 1 << 32)
args = (ctypes.c_void_p * 7)(*[ctypes.addressof(floats)] * 7)
def call(library):
    assert library.vmamba_scan_cpu(desc, args, ctypes.byref(Executor(None, 4, None))) == 0
    return len(os.listdir("/proc/self/task"))
threads = [call(library)]
_ctypes.dlclose(library._handle)
mapped = sys.argv[1] in open("/proc/self/maps").read()
threads.append(call(ctypes.CDLL(sys.argv[1])))
print(*threads, mapped)
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux's /proc")
def test_a_library_that_is_closed_stays_and_works_again_with_its_threads():
    path = str(load_native("vmamba_cpu").path.resolve())
    result = subprocess.run(
        [sys.executable, "-c", CLOSE, path], capture_output=True, text=True, check=False
    )
    assert result.stdout.split() == ["4", "4", "True"], result.stderr
