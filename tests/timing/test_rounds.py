from __future__ import annotations

import threading

import pytest

from vmamba_deploy.timing.rounds import Contender, Pace, contender, interleave


class Clock:
    """Stands still but for what calls let pass."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr("vmamba_deploy.timing.rounds._SETTLE_SECONDS", 0.0)


def calling(name, seconds, clock, log):
    def call():
        log.append(name)
        clock.now += seconds

    return call


def run(pace, **seconds):
    """Contenders by what their calls take, and the order of all calls."""
    clock, log = Clock(), []
    made = {name: [calling(name, each, clock, log)] for name, each in seconds.items()}
    with contender(made["a"], clock) as a, contender(made["b"], clock) as b:
        interleave([a, b], pace)
        return a, b, log


def test_everyone_has_a_turn_in_each_round_and_its_first_call_is_not_timed():
    a, b, log = run(Pace(rounds=3), a=0.001, b=0.02)
    assert log == ["a", "a", "b", "b"] * 3
    assert (a.latencies.statistics().calls, b.latencies.statistics().calls) == (3, 3)
    assert a.latencies.statistics().p50_ms == pytest.approx(1.0)
    assert b.latencies.statistics().p50_ms == pytest.approx(20.0)
    assert b.seconds == pytest.approx(0.06)


def test_a_duration_makes_turns_of_many_calls_and_whoever_had_it_waits():
    a, b, log = run(Pace(rounds=1, seconds=1.0), a=0.01, b=0.5)
    assert a.seconds >= 1.0
    assert b.seconds >= 1.0
    # A quarter of a second each: four turns; a call that takes longer is a turn by itself.
    assert (a.rounds, b.rounds) == (4, 2)
    assert a.latencies.statistics().calls in range(100, 105)
    assert b.latencies.statistics().calls == 2
    assert log.index("b") < len(log) - 1 - log[::-1].index("a")


def test_rounds_and_duration_are_both_held():
    a, b, _ = run(Pace(rounds=7, seconds=0.5), a=0.25, b=0.3)
    assert (a.rounds, b.rounds) == (7, 7)
    a, b, _ = run(Pace(rounds=1, seconds=0.5), a=0.25, b=0.3)
    assert (a.rounds, b.rounds) == (2, 2)


def test_progress_is_that_of_the_slowest():
    told, clock, log = [], Clock(), []
    with contender([calling("a", 0.1, clock, log)], clock) as a:
        interleave([a], Pace(rounds=4), told.append)
    assert told == [0.25, 0.5, 0.75, 1.0]


def test_streams_are_called_side_by_side():
    together = threading.Barrier(3, timeout=30)  # passes when three calls are under way at once
    with contender([together.wait] * 3) as one:
        one.warm_up(2)
        interleave([one], Pace(rounds=2))
        assert one.latencies.statistics().calls == 6


def test_the_time_of_a_turn_is_the_walls_and_not_the_sum_over_the_streams():
    clock = Clock()

    def at_once(function, streams):
        begin = clock.now
        ends = []
        for stream in streams:
            clock.now = begin
            yield function(stream)
            ends.append(clock.now)
        clock.now = max(ends)

    one = Contender([calling("a", 0.1, clock, []), calling("b", 0.3, clock, [])], at_once, clock)
    one.turn(0.0)
    assert one.seconds == pytest.approx(0.3)
    assert one.latencies.statistics().mean_ms == pytest.approx(200.0)


def test_what_a_stream_raises_comes_through():
    def broken():
        raise ValueError("no such shape")

    with contender([lambda: None, broken]) as one, pytest.raises(ValueError, match="no such shape"):
        one.warm_up(1)
