"""How long one pass of a loop takes a warp that is alone: a walk over the scheduling fields.

The compiler writes into each instruction how many cycles must pass before the next one, and which
scoreboards it sets and waits for. What it does not write is how long a scoreboard takes: the
latencies below, in cycles, as published microbenchmarks of these architectures find them (a load
that hits the L1 cache; shared memory; a special function; a shuffle; a tensor-core product).
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.kernel_model.classes import Kind, kind_of
from benchmarks.kernel_model.profile import Step
from benchmarks.kernel_model.sass import NO_SCOREBOARD, Instruction

# Cycles from issue until the result may be used, for what has no fixed latency.
LATENCY = {
    Kind.SPECIAL: 18,
    Kind.CONVERT: 14,
    Kind.SHUFFLE: 24,
    Kind.SHARED: 30,
    Kind.GLOBAL: 260,  # the L2 cache, where this op's projections are
    Kind.LOCAL: 40,
    Kind.CONSTANT: 30,
    Kind.TENSOR: 33,
    Kind.UNIFORM: 12,
    Kind.OTHER: 24,
    Kind.CONTROL: 20,
    Kind.INTEGER: 14,
    Kind.FLOAT: 14,
    Kind.HALF: 14,
}
OPERANDS_READ = 12  # cycles until the operands of a memory instruction may be overwritten
_WARM_UP = 2  # passes before the one that is measured


def latency(instruction: Instruction) -> int:
    """Cycles until the scoreboard that an instruction sets is clear again."""
    return LATENCY[kind_of(instruction)]


def solo_cycles(steps: Sequence[Step]) -> float:
    """Cycles of one pass in the steady state; a step of half likelihood costs half its cycles."""
    ready = [0.0] * NO_SCOREBOARD
    now, begin = 0.0, 0.0
    for _ in range(_WARM_UP + 1):
        begin = now
        for step in steps:
            if step.likelihood == 0:
                continue
            each = step.instruction
            for board in range(6):
                if each.waits >> board & 1:
                    now = max(now, ready[board])
            if each.write_scoreboard < 6:
                ready[each.write_scoreboard] = now + latency(each)
            if each.read_scoreboard < 6:
                ready[each.read_scoreboard] = max(ready[each.read_scoreboard], now + OPERANDS_READ)
            now += max(1, each.stall) * step.likelihood
    return now - begin
