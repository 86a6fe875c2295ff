"""vmamba_selective_scan_validate: what the header allows, and a sentence for everything else."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from benchmarks.c_interface import (
    INVALID_ARGUMENT,
    OK,
    NativeLibrary,
    SelectiveScanDesc,
    load_native,
)

VALID = {
    "batch": 1,
    "height": 2,
    "width": 3,
    "channels": 4,
    "dt_features": 2,
    "state": 1,
    "rank": 2,
    "routes": 2,
    "direction": (0, 2),
    "x_per_route": 1,
    "in_dtype": 1,
    "out_dtype": 1,
}
Change = Mapping[str, int | tuple[int, ...]]


@pytest.fixture(scope="module")
def library() -> NativeLibrary:
    return load_native("vmamba_cpu")


def description(change: Change) -> SelectiveScanDesc:
    values = {**VALID, **change}
    direction = (*values.pop("direction"), 7, 7, 7, 7)[:4]
    return SelectiveScanDesc(direction=direction, **values)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"batch": 0},
        {"x_per_route": 0},
        {"routes": 1, "direction": (0,)},
        {"routes": 4, "direction": (0, 1, 2, 3)},
        {"routes": 3, "direction": (3, 0, 3)},
        {"rank": 1, "dt_features": 4},
        {"rank": 1, "dt_features": 1, "channels": 1},
        {"rank": 256, "dt_features": 256, "state": 256},
        {"in_dtype": 16, "out_dtype": 16},
    ],
    ids=str,
)
def test_what_is_valid(library: NativeLibrary, change: Change) -> None:
    assert library.function("vmamba_selective_scan_validate")(description(change)) == OK


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"batch": -1}, "batch is -1, expected at least 0"),
        ({"height": 0}, "height is 0, expected at least 1"),
        ({"width": -5}, "width is -5"),
        ({"channels": 0}, "channels is 0"),
        ({"dt_features": 0}, "dt_features is 0"),
        ({"state": 257}, "state is 257, expected 1..256"),
        ({"rank": 0}, "rank is 0, expected 1..256"),
        ({"x_per_route": 2}, "x_per_route is 2, expected 0..1"),
        ({"routes": 0}, "routes is 0, expected 1..4"),
        ({"routes": 5}, "routes is 5, expected 1..4"),
        ({"direction": (0, 4)}, "direction[1] is 4, expected 0 to 3"),
        ({"direction": (-1, 0)}, "direction[0] is -1, expected 0 to 3"),
        ({"dt_features": 3}, "dt_features is 3, expected rank (2), or with rank 1 channels (4)"),
        ({"dt_features": 4}, "dt_features is 4, expected rank (2)"),
        ({"in_dtype": 11}, "in_dtype is 11, expected 1 (float32)"),
        ({"out_dtype": 10}, "out_dtype is 10"),
        ({"batch": 2**40, "height": 2**20}, "(dt_features + 2 * state) overflows"),
        (
            {"channels": 2**63 - 1, "dt_features": 2**63 - 1, "rank": 1, "batch": 0},
            "(dt_features + 2 * state) overflows",
        ),
        ({"channels": 2**59, "height": 1, "width": 2}, "channels of all x overflows"),
    ],
    ids=str,
)
def test_what_is_refused(library: NativeLibrary, change: Change, text: str) -> None:
    validate = library.function("vmamba_selective_scan_validate")
    assert validate(description(change)) == INVALID_ARGUMENT
    assert text in library.last_error()


def test_no_description(library: NativeLibrary) -> None:
    assert library.function("vmamba_selective_scan_validate")(None) == INVALID_ARGUMENT
    assert library.last_error() == "desc is NULL"
