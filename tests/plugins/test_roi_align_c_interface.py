"""Invalid arguments of MultiLevelRoiAlign through the C interface: a status and a sentence."""

from __future__ import annotations

import ctypes

import pytest

from benchmarks.c_interface import (
    INVALID_ARGUMENT,
    OK,
    Executor,
    NativeLibrary,
    ParallelFor,
    RoiAlignArgs,
    RoiAlignDesc,
    load_native,
)

Sides = ctypes.c_int64 * 4
VALID = {
    "batch": 1,
    "boxes": 2,
    "channels": 3,
    "heights": Sides(8, 4, 2, 1),
    "widths": Sides(8, 4, 2, 1),
    "output_size": 7,
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
        ({"boxes": -1}, "boxes is -1, expected at least 0"),
        ({"channels": 0}, "channels is 0, expected at least 1"),
        ({"output_size": 0}, "output_size is 0, expected 1..64"),
        ({"output_size": 65}, "output_size is 65, expected 1..64"),
        ({"heights": Sides(8, 4, 0, 1)}, "heights[2] is 0, expected 1..65536"),
        ({"widths": Sides(8, 4, 2, 65537)}, "widths[3] is 65537, expected 1..65536"),
        ({"in_dtype": 11}, "in_dtype is 11, expected 1 (float32)"),
        ({"out_dtype": 10}, "out_dtype is 10, expected 1 (float32) or in_dtype (1)"),
        ({"in_dtype": 16, "out_dtype": 10}, "out_dtype is 10"),
        ({"channels": 2**61}, "batch * channels * height * width of a map overflows 63 bits"),
        ({"boxes": 2**55}, "batch * boxes * channels * output_size^2 overflows 63 bits"),
    ],
)
def test_invalid_description(change, text, library):
    desc = RoiAlignDesc(**(VALID | change))
    assert library.function("vmamba_roi_align_validate")(desc) == INVALID_ARGUMENT
    assert text in library.last_error()
    run = library.function("vmamba_roi_align_cpu")
    assert run(desc, RoiAlignArgs(), None) == INVALID_ARGUMENT


def test_limits_are_valid(library):
    largest = Sides(65536, 65536, 65536, 65536)
    for change in (
        {"output_size": 64},
        {"heights": largest, "widths": largest},
        {"batch": 0},
        {"boxes": 0},
        {"in_dtype": 10, "out_dtype": 10},
    ):
        desc = RoiAlignDesc(**(VALID | change))
        assert library.function("vmamba_roi_align_validate")(desc) == OK


def filled_args() -> tuple[RoiAlignArgs, object]:
    memory = (ctypes.c_float * 1024)()
    address = ctypes.addressof(memory)
    return RoiAlignArgs((ctypes.c_void_p * 4)(*[address] * 4), address, address), memory


@pytest.mark.parametrize("level", range(4))
def test_a_missing_map_is_named(level, library):
    args, _memory = filled_args()
    args.maps[level] = None
    run = library.function("vmamba_roi_align_cpu")
    assert run(RoiAlignDesc(**VALID), args, None) == INVALID_ARGUMENT
    assert library.last_error() == f"maps[{level}] is NULL"


@pytest.mark.parametrize("missing", ["boxes", "y"])
def test_a_null_pointer_is_named(missing, library):
    args, _memory = filled_args()
    setattr(args, missing, None)
    run = library.function("vmamba_roi_align_cpu")
    assert run(RoiAlignDesc(**VALID), args, None) == INVALID_ARGUMENT
    assert library.last_error() == f"{missing} is NULL"


def test_null_structs_and_an_executor_without_threads(library):
    run = library.function("vmamba_roi_align_cpu")
    args, _memory = filled_args()
    assert run(None, args, None) == INVALID_ARGUMENT
    assert library.last_error() == "desc is NULL"
    assert run(RoiAlignDesc(**VALID), None, None) == INVALID_ARGUMENT
    assert library.last_error() == "args is NULL"
    none = Executor(None, 0, ParallelFor())
    assert run(RoiAlignDesc(**VALID), args, ctypes.byref(none)) == INVALID_ARGUMENT
    assert "executor->threads is 0" in library.last_error()


@pytest.mark.parametrize("empty", ["batch", "boxes"])
def test_an_empty_call_needs_no_memory(empty, library):
    desc = RoiAlignDesc(**(VALID | {empty: 0}))
    assert library.function("vmamba_roi_align_cpu")(desc, RoiAlignArgs(), None) == OK
