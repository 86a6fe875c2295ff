"""How long one pass of a loop takes a warp that is alone: a walk over the scheduling fields.

The compiler writes into each instruction how many cycles must pass before the next one, and which
scoreboards it sets and waits for. What it does not write is how long a scoreboard takes: the
latencies below, in cycles, as published microbenchmarks of these architectures find them (a load
that hits the L2 cache; shared memory; a special function; a shuffle; a tensor-core product).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.kernel_model.classes import Kind, kind_of
from benchmarks.kernel_model.profile import Step, source_texts
from benchmarks.kernel_model.sass import Instruction

# Cycles from issue until the result may be used, for what has no fixed latency.
LATENCY = {
    Kind.SPECIAL: 18,
    Kind.CONVERT: 14,
    Kind.SHUFFLE: 24,
    Kind.SHARED: 30,
    Kind.GLOBAL: 260,  # the L2 cache, where this op's inputs are
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
BOARDS = 6
LIKELY = 0.5
_WARM_UP = 2  # passes before the one that is measured


@dataclass(frozen=True)
class Wait:
    """Cycles of a pass in which a lone warp does not issue, and for whom it waits."""

    opcode: str  # of the instruction whose result or latency is waited for
    text: str  # its source line
    cycles: float


@dataclass(frozen=True)
class SoloPass:
    """One pass in the steady state."""

    cycles: float
    waits: tuple[Wait, ...]  # the longest first


def latency(instruction: Instruction) -> int:
    """Cycles until the scoreboard that an instruction sets is clear again."""
    return LATENCY[kind_of(instruction)]


def solo_pass(steps: Sequence[Step]) -> SoloPass:
    """A pass over the instructions that are executed in at least half of the passes."""
    code = [step.instruction for step in steps if step.likelihood >= LIKELY]
    ready: list[tuple[float, Instruction | None]] = [(0.0, None)] * BOARDS
    now = begin = 0.0
    waits: dict[tuple[str, str], float] = defaultdict(float)
    for number in range(_WARM_UP + 1):
        begin = now
        last = number == _WARM_UP
        for each in code:
            for board in range(BOARDS):
                until, setter = ready[board]
                if each.waits >> board & 1 and until > now:
                    if last and setter is not None:
                        waits[_key(setter)] += until - now
                    now = until
            _set_boards(each, ready, now)
            pause = max(1, each.stall)
            if last and pause > 1:
                waits[_key(each)] += pause - 1
            now += pause
    found = [Wait(opcode, text, cycles) for (opcode, text), cycles in waits.items()]
    return SoloPass(now - begin, tuple(sorted(found, key=lambda wait: -wait.cycles)))


def _set_boards(
    each: Instruction, ready: list[tuple[float, Instruction | None]], now: float
) -> None:
    for board, time in (
        (each.write_scoreboard, latency(each)),
        (each.read_scoreboard, OPERANDS_READ),
    ):
        if board < BOARDS and now + time > ready[board][0]:
            ready[board] = (now + time, each)


def _key(instruction: Instruction) -> tuple[str, str]:
    texts = list(source_texts(instruction))
    return instruction.mnemonic, " < ".join(text[:40] for text in texts[:2])
