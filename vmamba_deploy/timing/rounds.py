"""Rounds in which every contender has its turn, so that a noisy machine disturbs all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from vmamba_deploy.timing.latencies import Latencies

Call = Callable[[], object]
Clock = Callable[[], float]
_SETTLE_SECONDS = 0.05
_TURN_SECONDS = 0.25


@dataclass(frozen=True)
class Pace:
    """How long each contender is measured: until it had both.

    Attributes:
        rounds: at least so many turns.
        seconds: at least so long, without the pauses; above 0 a turn is of many calls.
    """

    rounds: int = 10
    seconds: float = 0.0

    @property
    def turn_seconds(self) -> float:
        """The least length of a turn; 0 is one call."""
        return min(self.seconds, _TURN_SECONDS)


class Contender:
    """Calls that are timed, side by side where there are several streams.

    Args:
        streams: what each stream calls again and again, in a thread of its own where there are
            several.
        each: applies a function to the streams, all at once.
        clock: seconds.

    Attributes:
        latencies: of all timed calls.
        seconds: that its turns took together, on the wall's clock.
        rounds: turns until now.
    """

    def __init__(
        self, streams: Sequence[Call], each: Callable[..., Iterable[Any]], clock: Clock
    ) -> None:
        self._streams, self._each, self._clock = streams, each, clock
        self.latencies = Latencies()
        self.seconds, self.rounds = 0.0, 0

    def warm_up(self, calls: int) -> None:
        """Call every stream so often, untimed."""
        for _ in range(calls):
            list(self._each(lambda call: call(), self._streams))

    def turn(self, seconds: float) -> None:
        """One turn: at least one timed call of each stream, and calls until its time is over.

        Thread pools spin for some milliseconds after a call and would take the cores of the next
        contender. So a turn begins with a pause, and with an untimed call that wakes its threads.
        """
        time.sleep(_SETTLE_SECONDS)
        self.warm_up(1)
        spans = list(self._each(lambda call: self._timed(call, seconds), self._streams))
        self.seconds += max(end for _, end, _ in spans) - min(start for start, _, _ in spans)
        self.rounds += 1
        for _, _, milliseconds in spans:
            self.latencies.add(milliseconds)

    def _timed(self, call: Call, seconds: float) -> tuple[float, float, list[float]]:
        """When a stream began and ended, in seconds, and what its calls took, in milliseconds."""
        start = before = self._clock()
        taken: list[float] = []
        while not taken or before - start < seconds:
            call()
            now = self._clock()
            taken.append((now - before) * 1e3)
            before = now
        return start, before, taken


@contextmanager
def contender(streams: Sequence[Call], clock: Clock = time.perf_counter) -> Iterator[Contender]:
    """A `Contender`, with a thread for each stream where there are several."""
    if len(streams) == 1:
        yield Contender(streams, map, clock)
        return
    with ThreadPoolExecutor(len(streams)) as pool:
        yield Contender(streams, pool.map, clock)


def interleave(
    contenders: Sequence[Contender],
    pace: Pace,
    progress: Callable[[float], None] = lambda fraction: None,
) -> None:
    """Give every contender a turn in each round, until it had its rounds and its time.

    Args:
        contenders: warmed up.
        pace: when each of them is through.
        progress: told the fraction done.
    """
    left = list(contenders)
    while left:
        for one in left:
            one.turn(pace.turn_seconds)
        left = [each for each in left if _share(each, pace) < 1.0]
        progress(min((_share(each, pace) for each in contenders), default=1.0))


def _share(one: Contender, pace: Pace) -> float:
    """Of its rounds and time, what a contender has had."""
    timed = one.seconds / pace.seconds if pace.seconds else 1.0
    return min(one.rounds / pace.rounds, timed, 1.0)
