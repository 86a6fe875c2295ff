"""The scheduler's simulation on hand-made instructions whose times are known."""

from __future__ import annotations

import pytest

from benchmarks.kernel_model.gpus import A100, H100
from benchmarks.kernel_model.handover import handover_cycles
from benchmarks.kernel_model.sass import NO_SCOREBOARD, Instruction
from benchmarks.kernel_model.simulate import pass_cycles
from benchmarks.kernel_model.solo import latency


def made(opcode: str, *, stall: int = 1, sets: int = NO_SCOREBOARD, waits: int = 0) -> Instruction:
    return Instruction(0, "", opcode, "", stall, sets, NO_SCOREBOARD, waits, ())


def test_a_chain_of_additions_is_bound_by_latency_then_by_issue():
    chain = [made("FFMA", stall=4)] * 50
    assert pass_cycles(chain, 1, H100) == pytest.approx(200, rel=0.02)
    assert pass_cycles(chain, 2, H100) == pytest.approx(200, rel=0.02)
    assert pass_cycles(chain, 8, H100) == pytest.approx(400, rel=0.02)


def test_half_as_many_float_lanes_take_twice_as_long():
    independent = [made("FFMA")] * 60
    assert pass_cycles(independent, 4, H100) == pytest.approx(240, rel=0.02)
    assert pass_cycles(independent, 4, A100) == pytest.approx(480, rel=0.02)


def test_integers_have_half_the_float_lanes_of_an_h100():
    assert pass_cycles([made("IADD3")] * 60, 4, H100) == pytest.approx(480, rel=0.02)
    # Multiplications use one half of the float lanes, and additions pass beside them.
    mixed = [made("IMAD"), made("FADD")] * 30
    assert pass_cycles(mixed, 4, H100) == pytest.approx(240, rel=0.05)


def test_a_special_function_takes_a_scheduler_eight_cycles():
    special = [made("MUFU.EX2", sets=0)] * 20
    assert pass_cycles(special, 4, H100) == pytest.approx(640, rel=0.02)


def test_four_schedulers_share_one_load_store_unit():
    assert pass_cycles([made("SHFL.UP")] * 20, 2, H100) == pytest.approx(160, rel=0.05)
    assert pass_cycles([made("LDS.128")] * 20, 2, H100) == pytest.approx(640, rel=0.05)


def test_waiting_for_a_scoreboard_is_hidden_by_other_warps():
    load = made("LDG.E", sets=0)
    use = made("FADD", waits=1)
    alone = pass_cycles([load, use], 1, H100)
    assert alone == pytest.approx(H100.l2_latency, abs=4)
    assert pass_cycles([load, use], 8, H100) == pytest.approx(alone, rel=0.1)


def test_an_empty_trace_and_no_warp_take_no_time():
    assert pass_cycles([], 4, H100) == 0
    assert pass_cycles([made("FADD")], 0, H100) == 0


def test_a_handover_lasts_from_the_wait_to_the_release():
    load, store = made("LDS.128", sets=0), made("STS.128", waits=1, stall=3)
    trace = [made("FADD"), made("BAR.SYNC.DEFER_BLOCKING"), load, store, made("BAR.ARV")]
    assert handover_cycles(trace) == pytest.approx(latency(load) + 1 + 3 + 30, abs=1)
    assert handover_cycles([made("FADD"), made("BAR.SYNC")]) == 0
