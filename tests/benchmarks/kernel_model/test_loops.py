"""Loops, classes and branches of real machine code."""

from __future__ import annotations

import pytest

from benchmarks.kernel_model.classes import Kind
from benchmarks.kernel_model.flow import flow_graph
from benchmarks.kernel_model.profile import Hint, profile
from benchmarks.kernel_model.sass import NO_SCOREBOARD, resources
from benchmarks.kernel_model.tools import demangled


def test_the_nest_of_loops_is_found_with_its_source_lines(small_kernels):
    outermost = profile(small_kernels["nested"])
    (outer,) = outermost.inner
    (inner,) = outer.inner
    assert "row < rows" in outer.statement
    assert "column < columns" in inner.statement
    assert inner.depth == 2
    assert inner.place.startswith("loops.cu:")


def test_instructions_are_counted_in_the_loop_that_executes_them(small_kernels):
    outermost = profile(small_kernels["nested"])
    (outer,) = outermost.inner
    (inner,) = outer.inner
    assert inner.by_mnemonic()["FFMA"] == 3
    assert inner.by_kind()[Kind.SPECIAL] == 0
    assert outer.by_mnemonic().get("FFMA", 0) == 0
    assert outer.by_kind()[Kind.SPECIAL] == 1
    assert outermost.by_kind()[Kind.GLOBAL] == 2


def test_an_unknown_branch_counts_half_and_a_known_one_by_its_hint(small_kernels):
    function = small_kernels["branches"]

    def roots(*hints: Hint) -> float:
        (loop,) = profile(function, hints).inner
        return loop.by_kind()[Kind.SPECIAL]

    # The line of the call is enough: the instructions were inlined into it.
    assert roots() == pytest.approx(12.0)
    assert roots(Hint(r"choices\[i\] == 7", 0.25)) == pytest.approx(6.0)
    assert roots(Hint(r"rare_root\(values", 0.0)) == 0.0


def test_the_branches_of_a_jump_table_stay_in_their_loop(small_kernels):
    function = small_kernels["table"]
    loops = flow_graph(function).loops
    assert len(loops) == 1
    inside = {
        each.mnemonic
        for index in loops[0].blocks
        for each in flow_graph(function).blocks[index].instructions
    }
    assert {"BAR", "MUFU"} <= inside
    assert inside & {"BRX", "BRXU"}


def test_every_instruction_of_the_kernels_has_a_class(small_kernels):
    for function in small_kernels.values():
        kinds = {
            step.instruction.mnemonic: kind
            for passage in profile(function).walk()
            for step in passage.steps
            for kind in passage.by_kind()
        }
        assert kinds


def test_results_of_unknown_latency_are_waited_for(small_kernels):
    instructions = small_kernels["nested"].instructions
    special = next(each for each in instructions if each.mnemonic == "MUFU")
    assert special.write_scoreboard != NO_SCOREBOARD
    after = instructions[instructions.index(special) + 1 :]
    assert any(each.waits >> special.write_scoreboard & 1 for each in after) or any(
        each.waits >> special.write_scoreboard & 1 for each in instructions
    )


def test_resources_are_those_of_ptxas(small_code):
    for code in small_code.values():
        used = {demangled(name): each for name, each in resources(code.ptxas).items()}
        assert set(used) == {"nested", "branches", "table", "shared_and_stack"}
        assert used["shared_and_stack"].static_shared_bytes == 1024
        assert used["shared_and_stack"].stack_bytes >= 160
        assert used["nested"].stack_bytes == 0
        assert all(each.spill_store_bytes == 0 for each in used.values())
        assert all(8 <= each.registers < 256 for each in used.values())
