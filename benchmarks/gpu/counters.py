"""Calls of the op under a tool of a CUDA toolkit, and Nsight Compute's counters for its kernels."""

from __future__ import annotations

import csv
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from vmamba_deploy import native
from vmamba_deploy.errors import EnvironmentProblem
from vmamba_deploy.native.layout import NATIVE_DIR_VARIABLE

_PLACES = (
    "/usr/local/cuda/bin",
    "/usr/local/cuda/compute-sanitizer",
    *(str(folder) for folder in sorted(Path("/opt/nvidia").glob("nsight-compute/*"))),
)
# What bounds a kernel, how full the machine is and by what, what its warps wait for.
METRICS = {
    "gpu__time_duration.sum": "duration",
    "sm__cycles_elapsed.avg.per_second": "clock",
    "sm__throughput.avg.pct_of_peak_sustained_elapsed": "compute %",
    "gpu__compute_memory_throughput.avg.pct_of_peak_sustained_elapsed": "memory %",
    "dram__bytes_read.sum": "DRAM bytes read",
    "dram__bytes_write.sum": "DRAM bytes written",
    "sm__warps_active.avg.pct_of_peak_sustained_active": "occupancy %",
    "launch__registers_per_thread": "registers",
    "sm__inst_executed_pipe_xu.avg.pct_of_peak_sustained_active": "special functions %",
    "sm__inst_executed.avg.per_cycle_active": "instructions per clock",
    "smsp__inst_executed.sum": "instructions",
    "l1tex__data_bank_conflicts_pipe_lsu_mem_shared.sum": "shared memory bank conflicts",
}
_LIMITS = ("barriers", "blocks", "registers", "shared_mem", "warps")
METRICS |= {f"launch__occupancy_limit_{limit}": f"blocks by {limit}" for limit in _LIMITS}
_STALLS = (
    *("barrier", "branch_resolving", "lg_throttle", "long_scoreboard", "math_pipe_throttle"),
    *("mio_throttle", "no_instruction", "not_selected", "short_scoreboard", "wait"),
)
METRICS |= {
    f"smsp__average_warps_issue_stalled_{reason}_per_issue_active.ratio": f"stalled: {reason}"
    for reason in _STALLS
}


def cuda_tool(name: str) -> Path:
    """`ncu` or `compute-sanitizer`: of PATH, of CUDA_HOME, of the usual places.

    Raises:
        EnvironmentProblem: it is in none of them.
    """
    home = os.environ.get("CUDA_HOME")
    places = (*([f"{home}/bin"] if home else []), *_PLACES)
    found = shutil.which(name) or shutil.which(name, path=os.pathsep.join(places))
    if found:
        return Path(found)
    raise EnvironmentProblem(
        f"{name} is not on this machine", hint="it comes with the CUDA toolkit; put it on PATH"
    )


def watch_calls(
    tool: str, options: tuple[str, ...], calls: tuple[str, ...], seconds: float
) -> subprocess.CompletedProcess[str]:
    """Run calls of the op under a tool.

    Args:
        tool: as `cuda_tool` takes it.
        options: of the tool.
        calls: arguments of `benchmarks.gpu.device_calls`.
        seconds: after which both are ended.

    Raises:
        EnvironmentProblem: the tool is not on this machine.
        subprocess.TimeoutExpired: it took longer than `seconds`.
    """
    program = str(cuda_tool(tool))
    # Found here, so that the watched process, many times slower, asks no compiler.
    folder = native.library_path("vmamba_cuda").parent
    return subprocess.run(
        [program, *options, sys.executable, "-m", "benchmarks.gpu.device_calls", *calls],
        capture_output=True,
        text=True,
        env=os.environ | {NATIVE_DIR_VARIABLE: str(folder)},
        cwd=Path(__file__).resolve().parents[2],
        timeout=seconds,
        check=False,
    )


class ProfilerError(RuntimeError):
    """ncu gave no counters; the text is its own."""


def profile_op(seconds: float) -> dict[str, Any]:
    """One row per launch of a kernel of ours.

    Raises:
        EnvironmentProblem: ncu is not on this machine.
        ProfilerError: it printed no counters.
        subprocess.TimeoutExpired: it took longer than `seconds`.
    """
    options = ("--csv", "--page", "raw", "--metrics", ",".join(METRICS))
    options += ("--kernel-name-base", "demangled", "--kernel-name", "regex:vmamba")
    options += ("--clock-control", "none", "--target-processes", "all")
    done = watch_calls("ncu", options, ("profiled",), seconds)
    rows = rows_of(done.stdout)
    if not rows:
        raise ProfilerError((done.stdout + done.stderr)[-3000:])
    return {"schema_version": 2, "rows": rows}


def rows_of(output: str) -> list[dict[str, str]]:
    """The launches in ncu's CSV, which follows lines of its own; values carry their unit."""
    lines = output.splitlines()
    start = next((i for i, line in enumerate(lines) if line.startswith('"ID"')), None)
    if start is None:
        return []
    units, *launches = [*csv.DictReader(io.StringIO("\n".join(lines[start:])))] or [{}]
    return [
        {"kernel": launch["Kernel Name"], "grid": launch.get("Grid Size", "")}
        | {
            text: f"{launch[metric]} {units[metric]}".strip()
            for metric, text in METRICS.items()
            if launch.get(metric)
        }
        for launch in launches
    ]
