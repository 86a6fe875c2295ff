"""The general op's forms on a CPU: what a route costs, and four routes beside another build.

A round gives each form its turns and keeps the fastest call, so that what else the machine does is
left out. It is a process of its own: where memory lies moves a time by percents, and stays the same
in a process. Ratios are taken within a round, and their median and quartiles reported.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.c_interface import (
    Executor,
    ParallelFor,
    ScanArgs,
    ScanDesc,
    SelectiveScanDesc,
    load_native,
)
from benchmarks.timing import Call, Milliseconds, elapsed_ms, machine_text, ratio_spread, spread
from vmamba_deploy.errors import EnvironmentProblem
from vmamba_deploy.ops.op import FLOAT32
from vmamba_deploy.ops.selective_scan.specification import ScanDims
from vmamba_deploy.testing import random_case

# Vision Mamba's three, MambaVision-T's and the stages of VMamba-T, each of one image.
SHAPES = (
    ScanDims(1, 1, 197, 384, 16, 12),
    ScanDims(1, 1, 197, 768, 16, 24),
    ScanDims(1, 1, 730, 384, 16, 12),
    ScanDims(1, 1, 196, 160, 8, 20),
    ScanDims(1, 56, 56, 96, 1, 6),
    ScanDims(1, 28, 28, 192, 1, 12),
    ScanDims(1, 14, 14, 384, 1, 24),
    ScanDims(1, 7, 7, 768, 1, 48),
)
TURNS, STRETCH_MS = 4, 10.0


def forms_of(dims: ScanDims) -> dict[str, ScanDims]:
    """The forms in which networks scan so; a step for each channel is that of mamba_ssm."""
    return {
        "four": dims,
        "two, own x": replace(dims, routes=(0, 2), x_per_route=True),
        "one": replace(dims, routes=(0,)),
        "one, own steps": replace(dims, routes=(0,), rank=1, step_per_channel=True),
    }


def compare_forms(threads: int, rounds: int, previous: Path | None = None) -> dict[str, Any]:
    """The report: of each shape ms of each form, and their ratio to four routes.

    Args:
        threads: of the library.
        rounds: each a process of its own, in which every form has its turns.
        previous: another libvmamba_cpu.so, whose SelectiveScan2D is timed beside this one's.

    Raises:
        EnvironmentProblem: `previous` is no such library.
    """
    call = partial(fastest_calls, SHAPES, STRETCH_MS, threads, previous)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        results = [pool.submit(call).result() for _ in range(rounds)]
    return {
        "schema_version": 1,
        "machine": machine_text(),
        "isa": load_native("vmamba_cpu").function("vmamba_cpu_isa")().decode(),
        "threads": threads,
        "rounds": rounds,
        "shapes": [
            _row(dims, [one[number] for one in results]) for number, dims in enumerate(SHAPES)
        ],
    }


def _row(dims: ScanDims, rounds: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    times: dict[str, Milliseconds] = {name: [one[name] for one in rounds] for name in rounds[0]}
    return {
        "shape": asdict(dims),
        "times_ms": {name: spread(values) for name, values in times.items()},
        "to_four": {name: ratio_spread(values, times["four"]) for name, values in times.items()},
    }


def fastest_calls(
    shapes: Sequence[ScanDims], stretch_ms: float, threads: int, previous: Path | None
) -> list[dict[str, float]]:
    """Of each shape the fastest call of each form, in ms; the forms take turns."""
    results = []
    for dims in shapes:
        calls = {name: _general_call(form, threads) for name, form in forms_of(dims).items()}
        if previous is not None:
            calls["four, previous"] = _previous_call(previous, dims, threads)
        best = {name: elapsed_ms(call) for name, call in calls.items()}
        for _ in range(TURNS):
            for name, call in calls.items():
                end = time.monotonic() + stretch_ms * 1e-3
                while time.monotonic() < end:
                    best[name] = min(best[name], elapsed_ms(call))
        results.append(best)
    return results


@cache
def _arrays(dims: ScanDims) -> list[np.ndarray]:
    """The inputs and y, the same for every library."""
    inputs = [np.ascontiguousarray(value) for value in random_case(dims, seed=1).inputs]
    return [*inputs, np.zeros((dims.batch, dims.height, dims.width, dims.channels), np.float32)]


def _general_call(dims: ScanDims, threads: int) -> Call:
    library = load_native("vmamba_cpu")
    run = library.function("vmamba_selective_scan_cpu")
    desc = SelectiveScanDesc.of(dims, FLOAT32, FLOAT32)
    return _call(run, desc, dims, threads)


def _previous_call(path: Path, dims: ScanDims, threads: int) -> Call:
    try:
        run = ctypes.CDLL(str(path)).vmamba_scan_cpu
    except (OSError, AttributeError) as error:
        raise EnvironmentProblem(f"{path} is no libvmamba_cpu.so: {error}") from error
    run.argtypes = [ctypes.POINTER(each) for each in (ScanDesc, ScanArgs, Executor)]
    sizes = (dims.batch, dims.height, dims.width, dims.channels, dims.state, dims.rank)
    return _call(run, ScanDesc(*sizes, FLOAT32, FLOAT32), dims, threads)


def _call(run: Any, desc: ctypes.Structure, dims: ScanDims, threads: int) -> Call:
    args = ScanArgs(*(value.ctypes.data for value in _arrays(dims)))
    own_threads = Executor(None, threads, ParallelFor())
    if status := run(desc, args, own_threads):
        raise EnvironmentProblem(f"a call of the op ended with status {status}")
    return lambda: run(desc, args, own_threads)
