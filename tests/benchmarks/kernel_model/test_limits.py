"""Occupancy, budgets and measured files."""

from __future__ import annotations

import copy
import json

import pytest

from benchmarks.kernel_model.budget import excesses, failure_text, read_budget, write_budget
from benchmarks.kernel_model.gpus import H100, RTX_4090
from benchmarks.kernel_model.measured import read_measured, same_gpu
from benchmarks.kernel_model.occupancy import resident_blocks
from vmamba_deploy.errors import InputFileError

COST = {
    "registers": 128,
    "spilled_bytes": 0,
    "instructions_per_element": 30.0,
    "by_class": {"float": 17.0, "special": 2.1},
}


@pytest.mark.parametrize(
    ("registers", "block_warps", "shared_bytes", "blocks"),
    [
        (168, 12, 0, 1),
        (168, 4, 0, 3),
        (128, 4, 0, 4),
        (32, 4, 0, 16),
        (32, 1, 0, 32),  # by the number of blocks
        (32, 4, 100 * 1024, 2),  # by shared memory
        (32, 4, 228 * 1024, 0),  # more than a block may have
    ],
)
def test_blocks_of_a_multiprocessor(registers, block_warps, shared_bytes, blocks):
    found = resident_blocks(
        H100, registers=registers, block_warps=block_warps, shared_bytes=shared_bytes
    )
    assert found == blocks


def test_a_smaller_multiprocessor_holds_fewer_warps():
    small = resident_blocks(RTX_4090, registers=32, block_warps=4, shared_bytes=0)
    assert small == 12


def changed(**fields) -> dict:
    measured = {"90": {"scan": copy.deepcopy(COST)}}
    measured["90"]["scan"].update(fields)
    return measured


def test_what_keeps_the_budget_passes():
    budget = changed()
    assert excesses(budget, changed()) == []
    assert excesses(budget, changed(registers=124, instructions_per_element=29.0)) == []
    assert excesses(budget, changed(instructions_per_element=30.5)) == []


def test_an_excess_names_kernel_class_before_and_after():
    more = {"float": 19.0, "special": 2.1}
    found = excesses(changed(), changed(instructions_per_element=32.0, by_class=more))
    text = failure_text(found)
    assert "scan on 9.0: instructions per element (all) 30 -> 32" in text
    assert "scan on 9.0: instructions per element (float) 17 -> 19" in text
    assert "special" not in text
    assert "budget --write" in text


def test_registers_count_when_they_cost_a_warp_and_spills_always():
    assert excesses(changed(registers=130), changed(registers=136)) == []
    (registers,) = excesses(changed(), changed(registers=136))
    assert (registers.before, registers.after) == (128, 136)
    (spill,) = excesses(changed(), changed(spilled_bytes=4))
    assert str(spill) == "scan on 9.0: bytes spilled 0 -> 4"


def test_a_new_kernel_needs_a_budget():
    (found,) = excesses({"90": {}}, changed())
    assert "without a budget" in str(found)


def test_a_budget_is_read_as_written(tmp_path):
    path = tmp_path / "budget.json"
    write_budget(changed(), path)
    assert read_budget(path) == changed()
    assert [each.name for each in tmp_path.iterdir()] == ["budget.json"]
    path.write_text("{")
    with pytest.raises(InputFileError, match="cannot be read"):
        read_budget(path)


def test_times_of_a_gpu_check_are_found_by_shape_and_batch(tmp_path):
    row = {"shape": "D96 L3136 N1", "batch": 128, "times_us": {"ours": {"median": 250.5}}}
    record = {
        "stages": {
            "environment": {"result": {"gpu": {"name": "NVIDIA H100 80GB HBM3"}}},
            "op_timing": {"result": {"rows": [row]}},
        }
    }
    path = tmp_path / "gpu_check.json"
    path.write_text(json.dumps(record))
    measured = read_measured(path)
    assert measured.total_us == {("D96 L3136 N1", 128): 250.5}
    assert same_gpu(measured.gpu, H100.name)
    assert not same_gpu(measured.gpu, RTX_4090.name)
    del record["stages"]["op_timing"]
    path.write_text(json.dumps(record))
    with pytest.raises(InputFileError, match="no timings"):
        read_measured(path)
