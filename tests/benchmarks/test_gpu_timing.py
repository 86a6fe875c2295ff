"""Timing on a GPU, with a clock and graphs in the place of the GPU's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import pytest
import torch

from benchmarks.timing import (
    GRAPH_MS,
    MOST_IN_GRAPH,
    STRETCH_MS,
    Measured,
    interleaved,
    ratio_spread,
    spread,
)


class FakeGpu:
    """A device whose calls take `launch_ms` each, and in a graph only their own time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, launch_ms: float = 0.01) -> None:
        self.now_ms, self.launch_ms = 0.0, launch_ms
        self.capturing: list[float] | None = None
        gpu = self

        class Event:
            def __init__(self, *, enable_timing: bool) -> None:
                assert enable_timing

            def record(self) -> None:
                self.at = gpu.now_ms

            def synchronize(self) -> None:
                assert gpu.capturing is None

            def elapsed_time(self, end: Event) -> float:
                return end.at - self.at

        class Graph:
            def __init__(self) -> None:
                self.calls: list[float] = []

            def replay(self) -> None:
                gpu.now_ms += gpu.launch_ms + sum(self.calls)

        class Stream:
            def wait_stream(self, _other: Stream) -> None:
                assert gpu.capturing is None

        @contextmanager
        def graph(target: Graph) -> Iterator[None]:
            gpu.capturing = target.calls
            yield
            gpu.capturing = None

        stream = Stream()
        for name, value in {
            "Event": Event,
            "CUDAGraph": Graph,
            "Stream": Stream,
            "current_stream": lambda: stream,
            "stream": lambda _: nullcontext(),
            "graph": graph,
        }.items():
            monkeypatch.setattr(torch.cuda, name, value)

    def call(self, own_ms: float) -> Callable[[], None]:
        """A call that takes this long on the device."""

        def run() -> None:
            if self.capturing is not None:
                self.capturing.append(own_ms)
            else:
                self.now_ms += self.launch_ms + own_ms

        return run


def test_launching_a_graph_does_not_show_in_the_time_of_a_short_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gpu = FakeGpu(monkeypatch, launch_ms=0.01)
    measured = Measured(gpu.call(0.008), "cuda")
    assert measured.spend() == pytest.approx(0.008, rel=0.06)


def test_without_a_graph_launching_is_part_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = FakeGpu(monkeypatch, launch_ms=0.01)
    assert Measured(gpu.call(0.008), "cuda", graph=False).spend() == pytest.approx(0.018)


@pytest.mark.parametrize("own_ms", [0.002, 0.3, 7.0])
def test_a_turn_fills_its_stretch(monkeypatch: pytest.MonkeyPatch, own_ms: float) -> None:
    gpu = FakeGpu(monkeypatch, launch_ms=0.0)
    measured = Measured(gpu.call(own_ms), "cuda")
    before = gpu.now_ms
    assert measured.spend() == pytest.approx(own_ms)
    assert gpu.now_ms - before >= min(STRETCH_MS, 10 * own_ms) * 0.7
    assert gpu.now_ms - before <= max(2 * STRETCH_MS, own_ms + GRAPH_MS)
    assert MOST_IN_GRAPH * 0.002 < GRAPH_MS


def test_every_call_has_its_turn_in_every_round(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = FakeGpu(monkeypatch)
    calls = {name: Measured(gpu.call(ms), "cuda") for name, ms in (("a", 1.0), ("b", 3.0))}
    times = interleaved(calls, rounds=5, seconds=60)
    assert {name: len(values) for name, values in times.items()} == {"a": 5, "b": 5}
    assert ratio_spread(times["b"], times["a"])["median"] == pytest.approx(3.0, rel=0.05)
    assert len(interleaved(calls, rounds=5, seconds=0)["a"]) == 3


def test_a_spread_is_the_median_and_the_quartiles() -> None:
    assert spread([4.0, 1.0, 3.0, 2.0, 5.0]) == {"median": 3.0, "q25": 2.0, "q75": 4.0}
    assert spread([2.0]) == {"median": 2.0, "q25": 2.0, "q75": 2.0}
