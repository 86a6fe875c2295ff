"""Invalid arguments through the C interface: a status and a sentence, never a crash."""

from __future__ import annotations

import ctypes

import pytest

from benchmarks.c_interface import (
    INVALID_ARGUMENT,
    OK,
    Executor,
    NativeLibrary,
    ParallelFor,
    ScanArgs,
    ScanDesc,
    load_native,
)
from vmamba_deploy.errors import EnvironmentProblem

VALID = {
    "batch": 1,
    "height": 2,
    "width": 3,
    "channels": 4,
    "state": 1,
    "rank": 2,
    "in_dtype": 1,
    "out_dtype": 1,
}


@pytest.fixture(scope="module")
def library() -> NativeLibrary:
    return load_native("vmamba_cpu")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"batch": -1}, "batch is -1, expected at least 0"),
        ({"height": 0}, "height is 0, expected at least 1"),
        ({"width": -5}, "width is -5"),
        ({"channels": 0}, "channels is 0"),
        ({"state": 0}, "state is 0, expected 1..256"),
        ({"state": 257}, "state is 257"),
        ({"rank": 0}, "rank is 0, expected 1..256"),
        ({"rank": 1000}, "rank is 1000"),
        ({"in_dtype": 11}, "in_dtype is 11, expected 1 (float32)"),
        ({"out_dtype": 10}, "out_dtype is 10, expected 1 (float32) or in_dtype (1)"),
        ({"in_dtype": 16, "out_dtype": 10}, "out_dtype is 10"),
        ({"batch": 2**40, "height": 2**20, "width": 2**20}, "overflows"),
    ],
)
def test_invalid_description(change, text, library):
    desc = ScanDesc(**(VALID | change))
    assert library.function("vmamba_scan_validate")(desc) == INVALID_ARGUMENT
    assert text in library.last_error()
    assert library.function("vmamba_scan_cpu")(desc, ScanArgs(), None) == INVALID_ARGUMENT


def test_limits_are_valid(library):
    for change in ({"state": 256, "rank": 256}, {"batch": 0}, {"in_dtype": 10, "out_dtype": 10}):
        assert library.function("vmamba_scan_validate")(ScanDesc(**(VALID | change))) == OK


@pytest.mark.parametrize("missing", ["x", "proj", "dt_weight", "dt_bias", "a", "d", "y"])
def test_null_pointer_is_named(missing, library):
    memory = (ctypes.c_float * 1024)()
    args = ScanArgs(*(ctypes.addressof(memory) for _ in ScanArgs._fields_))
    setattr(args, missing, None)
    status = library.function("vmamba_scan_cpu")(ScanDesc(**VALID), args, None)
    assert status == INVALID_ARGUMENT
    assert library.last_error() == f"{missing} is NULL"


def test_null_structs(library):
    run = library.function("vmamba_scan_cpu")
    assert run(None, ScanArgs(), None) == INVALID_ARGUMENT
    assert library.last_error() == "desc is NULL"
    assert run(ScanDesc(**VALID), None, None) == INVALID_ARGUMENT
    assert library.last_error() == "args is NULL"


def test_executor_without_threads(library):
    memory = (ctypes.c_float * 1024)()
    args = ScanArgs(*(ctypes.addressof(memory) for _ in ScanArgs._fields_))
    executor = Executor(None, 0, ParallelFor())
    status = library.function("vmamba_scan_cpu")(ScanDesc(**VALID), args, ctypes.byref(executor))
    assert status == INVALID_ARGUMENT
    assert "executor->threads is 0" in library.last_error()


def test_status_becomes_an_exception(library):
    with pytest.raises(ValueError, match="state is 0"):
        library.check(library.function("vmamba_scan_validate")(ScanDesc(**(VALID | {"state": 0}))))


def test_a_file_that_is_no_library(tmp_path):
    path = tmp_path / "libvmamba_cpu.so"
    path.write_bytes(b"not a shared object")
    with pytest.raises(EnvironmentProblem, match="cannot be used as vmamba_cpu") as problem:
        NativeLibrary(path, "vmamba_cpu")
    assert problem.value.hint == "make native"
