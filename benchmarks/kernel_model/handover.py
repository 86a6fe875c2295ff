"""How long a carry takes from one warp of a block to the next."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.kernel_model.sass import Instruction
from benchmarks.kernel_model.solo import latency

_BARRIER = 30  # cycles from one warp's arrival until the waiting one goes on


def handover_cycles(trace: Sequence[Instruction]) -> float:
    """Cycles between waiting for the warp before (BAR.SYNC) and releasing the next (BAR.ARV).

    0 where the trace has no such pair.
    """
    inside = False
    now = 0.0
    ready = dict.fromkeys(range(6), 0.0)
    for each in trace:
        if each.opcode.startswith("BAR.SYNC"):
            inside, now = True, 0.0
            ready = dict.fromkeys(range(6), 0.0)
        if not inside:
            continue
        for board in range(6):
            if each.waits >> board & 1:
                now = max(now, ready[board])
        if each.opcode.startswith("BAR.ARV"):
            return now + _BARRIER
        if each.write_scoreboard < 6:
            ready[each.write_scoreboard] = now + latency(each)
        now += max(1, each.stall)
    return 0.0
