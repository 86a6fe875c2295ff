"""The scans of other families: what their floors count, and a rehearsal on the CPU."""

from __future__ import annotations

from benchmarks.gpu.sequences import time_sequences
from benchmarks.op_shapes import bytes_moved, special_functions
from vmamba_deploy.ops.selective_scan.specification import ScanDims


def test_every_x_and_every_step_count() -> None:
    own_x = ScanDims(1, 1, 7, 5, 3, 2, routes=(0, 2), x_per_route=True)
    assert bytes_moved(own_x) == 2 * 7 * ((2 + 1) * 5 + 2 * (2 + 6))
    steps = ScanDims(1, 1, 7, 5, 3, 1, routes=(0,), step_per_channel=True)
    assert bytes_moved(steps) == 2 * 7 * ((1 + 1) * 5 + (5 + 6))
    assert special_functions(own_x) == 2 * special_functions(steps) == 2 * 7 * 5 * 4


def test_a_rehearsal_has_a_row_for_each_batch() -> None:
    results = time_sequences("cpu", tiny=True)
    assert results["dtype"] == "float32"
    assert [row["batch"] for row in results["rows"]] == [2, 1]
    for row in results["rows"]:
        assert row["plan"] is None
        assert row["floor_us"]["larger"] > 0
        assert row["four_routes_over_op"]["median"] > 0
