"""A handful of Nsight Compute's sections for the kernels of the op at the judged shapes."""

from __future__ import annotations

import csv
import io
import os
import shutil
import subprocess
import sys

from benchmarks.gpu_check.context import Json, StageContext, StageSkippedError

# What bounds a kernel, how full the machine is, what its warps wait for, what it executes.
METRICS = {
    "gpu__time_duration.sum": "duration",
    "sm__throughput.avg.pct_of_peak_sustained_elapsed": "compute %",
    "gpu__compute_memory_throughput.avg.pct_of_peak_sustained_elapsed": "memory %",
    "dram__bytes_read.sum": "DRAM bytes read",
    "dram__bytes_write.sum": "DRAM bytes written",
    "sm__warps_active.avg.pct_of_peak_sustained_active": "occupancy %",
    "launch__registers_per_thread": "registers",
    "sm__inst_executed_pipe_xu.avg.pct_of_peak_sustained_active": "special functions %",
    "sm__inst_executed.avg.per_cycle_active": "instructions per clock",
}
_STALLS = ("barrier", "long_scoreboard", "short_scoreboard", "math_pipe_throttle", "wait")
METRICS |= {
    f"smsp__average_warps_issue_stalled_{reason}_per_issue_active.ratio": f"stalled: {reason}"
    for reason in _STALLS
}
_CALLS = 16  # the eight shapes at both batch sizes


class ProfilerError(RuntimeError):
    """ncu gave no counters; the text is its own."""


def run(context: StageContext) -> Json:
    """One row per launch of a kernel of ours."""
    program = shutil.which("ncu")
    if program is None:
        raise StageSkippedError("ncu (Nsight Compute) is not on this machine")
    command = [program, "--csv", "--page", "raw", "--metrics", ",".join(METRICS)]
    command += ["--kernel-name-base", "demangled", "--kernel-name", "regex:vmamba"]
    command += ["--clock-control", "none", "--target-processes", "all"]
    command += [sys.executable, "-m", "benchmarks.gpu_check.device_calls", "shapes"]
    command += ["--first", str(_CALLS)]
    limit = max(context.seconds_left() - 2, 1)
    variables = os.environ | context.built_library()
    done = subprocess.run(
        command, capture_output=True, text=True, env=variables, timeout=limit, check=False
    )
    rows = rows_of(done.stdout)
    if not rows:
        raise ProfilerError((done.stdout + done.stderr)[-3000:])
    return {"rows": rows}


def rows_of(output: str) -> list[dict[str, str]]:
    """The launches in ncu's CSV, which follows lines of its own; values carry their unit."""
    lines = output.splitlines()
    start = next((i for i, line in enumerate(lines) if line.startswith('"ID"')), None)
    if start is None:
        return []
    units, *launches = csv.DictReader(io.StringIO("\n".join(lines[start:])))
    return [
        {"kernel": launch["Kernel Name"], "grid": launch.get("Grid Size", "")}
        | {
            text: f"{launch[metric]} {units[metric]}".strip()
            for metric, text in METRICS.items()
            if launch.get(metric)
        }
        for launch in launches
    ]
