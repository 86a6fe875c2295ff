"""What is asked of the results, judged from a record."""

from __future__ import annotations

from typing import Any

from benchmarks.gpu_check.bars import judge
from benchmarks.gpu_check.ncu import rows_of
from benchmarks.gpu_check.op_timing import floor_us
from benchmarks.gpu_check.sanitizer import errors_in
from benchmarks.op_shapes import OP_SHAPES


def record(**results: Any) -> dict[str, Any]:
    stages = {name: {"status": "passed", "result": result} for name, result in results.items()}
    return {"rehearsal": False, "stages": stages}


def verdicts(judged: list[dict[str, Any]]) -> dict[str, bool | None]:
    return {bar["name"]: bar["passed"] for bar in judged}


def test_what_was_not_measured_is_neither_passed_nor_missed() -> None:
    assert set(verdicts(judge(record())).values()) == {None}


def test_the_op_is_judged_by_the_published_chain() -> None:
    rows = [
        {
            "shape": OP_SHAPES[0].name,
            "batch": 128,
            "published_chain_over_ours": 7.0,
            "times_us": {"ours": {"median": 250.0}},
            "floor": {"larger": 80.0},
        }
    ]
    judged = verdicts(judge(record(op_timing={"rows": rows})))
    assert judged["op D96 L3136 N1 batch 128, published chain over ours"] is True
    assert judged["op D96 L3136 N1 batch 128, published chain over ours (goal)"] is False
    assert judged["op D96 L3136 N1 batch 128, over its floor"] is False


def test_the_network_is_judged_by_its_best_runtime() -> None:
    def row(batch: int, images_per_s: float, precision: str = "fp16") -> dict[str, Any]:
        return {
            "model": "vmamba_tiny_s1l8",
            "precision": precision,
            "batch": batch,
            "images_per_s": images_per_s,
            "ms_per_image": 1e3 / images_per_s,
            "agrees": True,
        }

    slow = [row(128, 5000), row(128, 9999, "fp32"), row(1, 500)]
    missed = verdicts(judge(record(networks={"rows": slow})))
    name = "vmamba_tiny_s1l8 fp16 batch 128, images/s over the published eager AMP"
    assert missed[name] is False
    assert missed["vmamba_tiny_s1l8 fp16 batch 1, ms per image"] is False
    better = {"rows": [row(128, 8700), row(1, 700)]}
    passed = verdicts(judge(record(networks={"rows": slow}, compiled=better)))
    assert passed[name] is True
    assert passed["vmamba_tiny_s1l8 fp16 batch 1, ms per image"] is True


def test_a_plugin_call_that_is_beyond_its_bar_counts() -> None:
    rows = [{"passed": True}, {"passed": False}]
    assert verdicts(judge(record(plugin={"rows": rows})))["plugin calls beyond their bar"] is False


def test_a_network_that_computes_something_else_misses_the_bar() -> None:
    row = {"model": "other", "precision": "fp32", "batch": 1, "agrees": True}
    name = "networks that differ from fp32 by too much"
    assert verdicts(judge(record(networks={"rows": [row]})))[name] is True
    rows = [row, row | {"agrees": False}]
    assert verdicts(judge(record(aotinductor={"rows": rows})))[name] is False


def test_all_the_random_shapes_must_have_been_compared() -> None:
    result = {"cases": [], "failures": [], "random": {"done": 999}}
    assert verdicts(judge(record(accuracy=result)))["random shapes compared"] is False
    result["random"]["done"] = 1000
    assert verdicts(judge(record(accuracy=result)))["random shapes compared"] is True


def test_a_sanitizer_that_did_not_finish_has_not_passed() -> None:
    tools = {"memcheck": {"errors": 0}, "racecheck": {"errors": None}}
    judged = verdicts(judge(record(sanitizer={"tools": tools})))
    assert judged["compute-sanitizer memcheck, errors"] is True
    assert judged["compute-sanitizer racecheck, errors"] is None


def test_summaries_of_the_sanitizer_are_read() -> None:
    assert errors_in("========= ERROR SUMMARY: 0 errors\n", 0) == 0
    assert errors_in("========= ERROR SUMMARY: 12 errors\n", 0) == 12
    races = "========= RACECHECK SUMMARY: 3 hazards displayed (3 errors, 0 warnings)\n"
    assert errors_in(races, 0) == 3
    assert errors_in("========= COMPUTE-SANITIZER\n", 0) is None
    assert errors_in("========= ERROR SUMMARY: 0 errors\n", 1) is None


def test_rows_of_the_profiler_are_read() -> None:
    output = (
        "==PROF== Connected to process 7\n"
        '"ID","Kernel Name","Grid Size","gpu__time_duration.sum","launch__registers_per_thread"\n'
        '"","","","us","register/thread"\n'
        '"0","void vmamba::scan_image<__half>(Params)","(132, 1, 1)","61.4","96"\n'
    )
    (row,) = rows_of(output)
    assert row["kernel"] == "void vmamba::scan_image<__half>(Params)"
    assert row["duration"] == "61.4 us"
    assert row["registers"] == "96 register/thread"
    assert rows_of("==ERROR== no permission\n") == []


def test_the_floor_is_the_larger_of_bytes_and_special_functions() -> None:
    environment = {
        "ceilings": {"copy_bytes_per_s": 3.0e12},
        "gpu": {"multiprocessors": 132},
        "nvidia_smi": {"clocks.max.sm": "1980"},
    }
    floor = floor_us(OP_SHAPES[0], 128, environment)
    assert round(floor["bytes"]) == 60
    assert round(floor["special_functions"]) == 74
    assert floor["larger"] == floor["special_functions"]
    assert floor_us(OP_SHAPES[0], 128, {})["larger"] is None
