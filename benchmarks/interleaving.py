"""Fair timing of competitors on a shared machine: each has its turn in every round.

The thread pools of PyTorch and ONNX Runtime keep spinning for some milliseconds after a call and
would take the cores of whoever comes next. So each turn begins with a pause that lets them fall
asleep; untimed calls then wake the competitor's own threads and warm its caches, and the time of
a turn is the mean over a stretch of calls: what a caller in a loop sees.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from vmamba_deploy.reports.machine import describe_machine, tool_versions, utc_now

Call = Callable[[], object]
SETTLE_SECONDS = 0.05
STRETCH_MS = 20.0


def elapsed_ms(call: Call) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1e3


def mean_ms(call: Call, stretch_ms: float = STRETCH_MS) -> float:
    """Mean wall time of a call, over as many calls as fill the stretch, one at least."""
    spent, calls = 0.0, 0
    while spent < stretch_ms:
        spent += elapsed_ms(call)
        calls += 1
    return spent / calls


def interleave(calls: Mapping[str, Call], rounds: int) -> dict[str, npt.NDArray[np.float64]]:
    """Milliseconds [rounds] of each call; one untimed round first."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 1):
        for name, call in calls.items():
            time.sleep(SETTLE_SECONDS)
            mean_ms(call)
            spent = mean_ms(call)
            if number:
                times[name].append(spent)
    return {name: np.array(values) for name, values in times.items()}


def quartiles(values: npt.NDArray[np.float64]) -> dict[str, float]:
    """Median and quartiles."""
    low, middle, high = np.percentile(values, [25, 50, 75])
    return {"median": float(middle), "q25": float(low), "q75": float(high)}


def machine_text() -> str:
    """Where and when a measurement was made, in one sentence."""
    machine, tools = describe_machine(), tool_versions(("torch", "onnxruntime"))
    versions = ", ".join(f"{name} {version}" for name, version in tools.items())
    return f"{machine.cpu}, {machine.cores} cores, {versions}, {utc_now()[:10]}."
