"""Rounds in which each call has its turn, so that what else the machine does meets all alike.

As `benchmarks.timing.interleave`, with as many rounds as the time allows, and without a call ahead
of the timed one where that is long: what wakes threads and fills caches is then lost in it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import TypeVar

from benchmarks.timing import CPU_STRETCH_MS, SETTLE_SECONDS

LEAST_ROUNDS, MOST_ROUNDS = 3, 15
_LONG_MS = 100.0
_BUSY_SECONDS = 0.3


Name = TypeVar("Name", bound=Hashable)


def take_turns(
    calls: Mapping[Name, Callable[[], float]], seconds: float
) -> dict[Name, list[float]]:
    """Milliseconds of each call in each round; the rounds of all are the same.

    Args:
        calls: give the milliseconds that they took.
        seconds: of a call in all rounds, about; three rounds at least.
    """
    usual = {name: min(call() for _ in range(2)) for name, call in calls.items()}
    a_round = sum(SETTLE_SECONDS + _turn_ms(ms) * 1e-3 for ms in usual.values())
    wanted = round(seconds * len(calls) / a_round)
    times: dict[Name, list[float]] = {name: [] for name in calls}
    for _ in range(min(MOST_ROUNDS, max(LEAST_ROUNDS, wanted))):
        for name, call in calls.items():
            time.sleep(SETTLE_SECONDS)
            times[name].append(_mean_ms(call, wake=usual[name] < _LONG_MS))
    return times


def _turn_ms(call_ms: float) -> float:
    """Of a turn, without its pause."""
    return max(CPU_STRETCH_MS, call_ms) + (call_ms if call_ms < _LONG_MS else 0.0)


def _mean_ms(call: Callable[[], float], *, wake: bool) -> float:
    """Mean of as many calls as fill the stretch, one at least."""
    if wake:
        call()
    spent, calls = 0.0, 0
    while spent < CPU_STRETCH_MS:
        spent += call()
        calls += 1
    return spent / calls


def busy_cores() -> float:
    """Cores that are busy now, to be asked while nothing of ours runs."""
    idle, total = _ticks()
    time.sleep(_BUSY_SECONDS)
    idle_then, total_then = _ticks()
    if total_then == total:
        return 0.0
    return (os.cpu_count() or 1) * (1 - (idle_then - idle) / (total_then - total))


def _ticks() -> tuple[float, float]:
    """Idle ones, and all, of all cores together (`man 5 proc_stat`)."""
    counts = [float(word) for word in Path("/proc/stat").read_text().split()[1:9]]
    return counts[3] + counts[4], sum(counts)
