"""compute-sanitizer over small calls of every kind: memory accesses, races in shared memory."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from gpu_launch_ways import cases_of_every_way, work_of

from benchmarks.gpu.tools import cuda_tool
from benchmarks.launch_plan import limits_at_hand
from vmamba_deploy import native
from vmamba_deploy.errors import EnvironmentProblem
from vmamba_deploy.native.layout import NATIVE_DIR_VARIABLE

ROOT = Path(__file__).resolve().parents[2]
# Ways of launching that come with more pixels, channels and states than this are left out: a
# sanitizer would take minutes over them.
LARGEST_WORK = 400_000
MINUTES = 60


def errors_in(output: str, exit_code: int) -> int | None:
    """The count in a tool's summary; None where it printed none or the program failed."""
    counts = re.findall(r"(?:ERROR SUMMARY|RACECHECK SUMMARY): (\d+) (?:error|hazard)", output)
    if not counts or (int(counts[-1]) == 0 and exit_code != 0):
        return None
    return int(counts[-1])


@pytest.mark.parametrize(
    ("output", "exit_code", "errors"),
    [
        ("========= ERROR SUMMARY: 0 errors", 0, 0),
        ("========= ERROR SUMMARY: 3 errors", 1, 3),
        ("========= RACECHECK SUMMARY: 1 hazard displayed (1 error, 0 warnings)", 0, 1),
        ("========= RACECHECK SUMMARY: 0 hazards displayed (0 errors, 0 warnings)", 0, 0),
        ("========= ERROR SUMMARY: 0 errors", 1, None),  # the program failed in another way
        ("Device not supported", 0, None),
    ],
)
def test_what_a_summary_says(output: str, exit_code: int, errors: int | None) -> None:
    assert errors_in(output, exit_code) == errors


# A tile's state is handed from warp to warp, so that most of them meet through others alone.
TOOLS = {"memcheck": (), "racecheck": ("--racecheck-indirect-barrier-dependency",)}


@pytest.mark.gpu
@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_finds_nothing(
    tool: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    try:
        program = cuda_tool("compute-sanitizer")
    except EnvironmentProblem as absent:
        pytest.skip(absent.message)
    cases = [c for c in cases_of_every_way(limits_at_hand()) if work_of(c.dims) <= LARGEST_WORK]
    more = tmp_path / "calls.json"
    more.write_text(json.dumps([asdict(case.dims) for case in cases]))
    command = [str(program), "--tool", tool, *TOOLS[tool], "--print-limit", "20"]
    command += [sys.executable, "-m", "benchmarks.gpu.device_calls", "sanitizer", "--more", str(more)]
    # Found here, so that the slow process asks no compiler.
    folder = native.library_path("vmamba_cuda").parent
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=os.environ | {NATIVE_DIR_VARIABLE: str(folder)},
        cwd=ROOT,
        timeout=MINUTES,
        check=False,
    )
    output = done.stdout + done.stderr
    errors = errors_in(output, done.returncode)
    row = {"tool": tool, "errors": errors, "ways": [case.kind for case in cases]}
    record_property("row", json.dumps(row))
    assert errors == 0, output[-3000:]
