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
SECONDS = 60


# racecheck takes two warps for ordered where they meet at a named barrier, and not where they meet
# through a third. So it reports the state that passes along a chain of three and more warps, each
# waiting for the one before: in this kernel, a read and a write a few instructions apart. The same
# code with chains of two is checked whole, and so is all else of this kernel.
HAND_OVER = re.compile(
    r"Race reported between Read access at (?:void )?vmamba::merge_routes<\S+ \S+ \(int\)6>"
    r"\(vmamba::ScanParams\)\+0x([0-9a-f]+)\n.*and Write access at (?:void )?"
    r"vmamba::merge_routes<\S+ \S+ \(int\)6>\(vmamba::ScanParams\)\+0x([0-9a-f]+)"
)
HAND_OVER_BYTES = 0x100


def errors_in(output: str, exit_code: int) -> int | None:
    """The count in a tool's summary; None where it printed none or the program failed."""
    counts = re.findall(r"(?:ERROR SUMMARY|RACECHECK SUMMARY): (\d+) (?:error|hazard)", output)
    if not counts or (int(counts[-1]) == 0 and exit_code != 0):
        return None
    return int(counts[-1])


def hand_overs_in(output: str) -> int:
    """Reports about the state that a chain of warps hands on."""
    places = [(int(read, 16), int(write, 16)) for read, write in HAND_OVER.findall(output)]
    return sum(0 < write - read <= HAND_OVER_BYTES for read, write in places)


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


def report(read: tuple[int, str], write: tuple[int, str]) -> str:
    """Two lines as racecheck prints them, of kernels by their last template argument."""
    places = [
        f"void vmamba::merge_routes<__half, (bool)1, (int){members}>(vmamba::ScanParams)+{place}"
        for members, place in (read, write)
    ]
    return (
        f"========= Error: Race reported between Read access at {places[0]}\n"
        f"=========     and Write access at {places[1]} [512 hazards]\n"
    )


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (report((6, "0x7100"), (6, "0x7190")), 1),
        (report((6, "0x7100"), (6, "0x7190")) * 2, 2),
        (report((2, "0x7100"), (2, "0x7190")), 0),  # chains of two are followed
        (report((6, "0x7100"), (6, "0x9190")), 0),  # the map, not the state
        (report((6, "0x7190"), (6, "0x7100")), 0),
        (report((6, "0x7100"), (6, "0x7190")).replace("merge_routes", "merge_channels"), 0),
    ],
)
def test_which_reports_are_about_a_chains_state(text: str, count: int) -> None:
    assert hand_overs_in(text) == count


@pytest.mark.gpu
@pytest.mark.parametrize("tool", ["memcheck", "racecheck"])
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
    command = [str(program), "--tool", tool, "--print-limit", "100", sys.executable, "-m"]
    command += ["benchmarks.gpu.device_calls", "sanitizer", "--more", str(more)]
    # Found here, so that the slow process asks no compiler.
    folder = native.library_path("vmamba_cuda").parent
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=os.environ | {NATIVE_DIR_VARIABLE: str(folder)},
        cwd=ROOT,
        timeout=SECONDS,
        check=False,
    )
    output = done.stdout + done.stderr
    found, hand_overs = errors_in(output, done.returncode), hand_overs_in(output)
    errors = None if found is None else found - hand_overs
    row = {"tool": tool, "errors": errors, "hand_overs": hand_overs}
    record_property("row", json.dumps(row | {"ways": [case.kind for case in cases]}))
    assert errors == 0, output[-3000:]
