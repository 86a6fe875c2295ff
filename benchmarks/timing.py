"""Fair times of competitors on a shared machine: each has its turn in every round.

On a GPU, calls are captured in CUDA graphs and timed by the GPU's own events. On a CPU the thread
pools of PyTorch and ONNX Runtime keep spinning for some milliseconds after a call and would take
the cores of whoever comes next. So each turn begins with a pause that lets them fall asleep;
untimed calls then wake the competitor's own threads and warm its caches, and the time of a turn is
the mean over a stretch of calls: what a caller in a loop sees.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

import torch

from vmamba_deploy.reports.machine import cpu_model, tool_versions, usable_cores, utc_now

Call = Callable[[], object]
Milliseconds = list[float]

SETTLE_SECONDS = 0.05
CPU_STRETCH_MS = 20.0
# A replay is timed over at least this long, so that the resolution of events does not show.
STRETCH_MS = 2.0
# A graph holds as many calls as last this long, so that the cost of launching graphs does not show.
GRAPH_MS = 0.5
MOST_IN_GRAPH = 50
WARM_UPS = 3


def elapsed_ms(call: Call) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1e3


def interleave(calls: Mapping[str, Call], rounds: int) -> dict[str, Milliseconds]:
    """Wall time of each call in each round; one untimed round first."""
    times: dict[str, Milliseconds] = {name: [] for name in calls}
    for number in range(rounds + 1):
        for name, call in calls.items():
            time.sleep(SETTLE_SECONDS)
            _mean_ms(call)
            spent = _mean_ms(call)
            if number:
                times[name].append(spent)
    return times


def _mean_ms(call: Call) -> float:
    """Mean wall time of a call, over as many calls as fill the stretch, one at least."""
    spent, calls = 0.0, 0
    while spent < CPU_STRETCH_MS:
        spent += elapsed_ms(call)
        calls += 1
    return spent / calls


class Measured:
    """A call made ready: `spend()` runs it a number of times and returns ms of one of them."""

    def __init__(self, call: Call, device: str, *, graph: bool = True) -> None:
        self._on_gpu = device == "cuda"
        self._in_graph, self._repeats = 1, 1
        for _ in range(WARM_UPS if self._on_gpu else 1):
            call()
        self._call = call
        if not self._on_gpu:
            return
        if graph:
            self._call = captured(call, 1)
            self._in_graph = min(MOST_IN_GRAPH, max(1, round(GRAPH_MS / self.spend())))
            if self._in_graph > 1:
                self._call = captured(call, self._in_graph)
        self._repeats = max(1, round(STRETCH_MS / (self.spend() * self._in_graph)))

    def spend(self) -> float:
        """Milliseconds of one call, the mean of as many as fill the stretch."""
        if not self._on_gpu:
            return elapsed_ms(self._call)
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        for _ in range(self._repeats):
            self._call()
        end.record()
        end.synchronize()
        return max(begin.elapsed_time(end), 1e-4) / (self._repeats * self._in_graph)


def captured(call: Call, times: int) -> Call:
    """So many calls as the replay of a CUDA graph; their tensors live as long as it does."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(times):
            call()
    return graph.replay


def interleaved(
    calls: Mapping[str, Measured], *, rounds: int, seconds: float
) -> dict[str, Milliseconds]:
    """Milliseconds of each call, each having its turn in every round.

    Stops after `rounds`, or once `seconds` have passed and there are three rounds.
    """
    times: dict[str, Milliseconds] = {name: [] for name in calls}
    start = time.monotonic()
    for done in range(rounds):
        if done >= 3 and time.monotonic() - start > seconds:
            break
        for name, measured in calls.items():
            times[name].append(measured.spend())
    return times


def spread(values: Milliseconds) -> dict[str, float]:
    """Median and quartiles."""
    if len(values) < 2:
        return {"median": values[0], "q25": values[0], "q75": values[0]}
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": middle, "q25": low, "q75": high}


def ratio_spread(others: Milliseconds, ours: Milliseconds) -> dict[str, float]:
    """Median and quartiles of other over ours, taken within each round."""
    return spread([other / own for other, own in zip(others, ours, strict=True)])


def gpu_name(device: str) -> str | None:
    """Of CUDA's first device; None on a CPU."""
    return torch.cuda.get_device_name(0) if device == "cuda" else None


def machine_text() -> str:
    """Where and when a measurement was made, in one sentence."""
    tools = tool_versions(("torch", "onnxruntime"))
    versions = ", ".join(f"{name} {version}" for name, version in tools.items())
    return f"{cpu_model()}, {usable_cores()} cores, {versions}, {utc_now()[:10]}."
