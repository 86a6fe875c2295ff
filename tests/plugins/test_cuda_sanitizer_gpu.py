"""compute-sanitizer over small calls of every kind: memory accesses, races in shared memory."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from gpu_launch_ways import cases_of_every_way, work_of

from benchmarks.gpu.counters import watch_calls
from benchmarks.launch_plan import limits_at_hand
from vmamba_deploy.errors import EnvironmentProblem

# Ways of launching that come with more pixels, channels and states than this are left out: a
# sanitizer would take minutes over them.
LARGEST_WORK = 400_000
SECONDS = 60


# racecheck takes two warps for ordered where they meet at a named barrier, and not where they meet
# through a third. So it reports what passes along a chain of three and more warps, each waiting for
# the one before, which this kernel has. The same code with chains of two is another kernel, of
# which nothing may be reported; on the host test_cuda_races.py follows chains of any length.
CHAINED = re.compile(
    r"Race reported between \w+ access at .*merge_routes<.*, \(int\)6>.*\n"
    r"(?:=+ +and \w+ access at .*merge_routes<.*, \(int\)6>.*\n)+"
)


def errors_in(output: str, exit_code: int) -> int | None:
    """The count in a tool's summary; None where it printed none or the program failed."""
    counts = re.findall(r"(?:ERROR SUMMARY|RACECHECK SUMMARY): (\d+) (?:error|hazard)", output)
    if not counts or (int(counts[-1]) == 0 and exit_code != 0):
        return None
    return int(counts[-1])


def chained_in(output: str) -> int:
    """Reports about chains that the tool cannot follow."""
    return len(CHAINED.findall(output))


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


def report(read: int, *writes: int, kernel: str = "merge_routes") -> str:
    """Lines as racecheck prints them, of kernels by their last template argument."""

    def place(members: int) -> str:
        return f"void vmamba::{kernel}<__half, (bool)1, (int){members}>(vmamba::ScanParams)+0x7100"

    lines = [f"========= Error: Race reported between Read access at {place(read)}"]
    lines += [f"=========     and Write access at {place(each)} [512 hazards]" for each in writes]
    return "\n".join(lines) + "\n========= \n"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (report(6, 6), 1),
        (report(6, 6) * 2, 2),
        (report(6, 6, 6, 6), 1),  # one report of several places
        (report(2, 2), 0),
        (report(6, 2), 0),
        (report(6, 6, kernel="merge_channels"), 0),
    ],
)
def test_which_reports_are_about_chains(text: str, count: int) -> None:
    assert chained_in(text) == count


@pytest.mark.gpu
@pytest.mark.parametrize("tool", ["memcheck", "racecheck"])
def test_a_tool_finds_nothing(
    tool: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    cases = [c for c in cases_of_every_way(limits_at_hand()) if work_of(c.dims) <= LARGEST_WORK]
    more = tmp_path / "calls.json"
    more.write_text(json.dumps([asdict(case.dims) for case in cases]))
    options = ("--tool", tool, "--print-limit", "100")
    try:
        done = watch_calls(
            "compute-sanitizer", options, ("sanitizer", "--more", str(more)), SECONDS
        )
    except EnvironmentProblem as absent:
        pytest.skip(absent.message)
    output = done.stdout + done.stderr
    found, chained = errors_in(output, done.returncode), chained_in(output)
    errors = None if found is None else found - chained
    row = {"tool": tool, "errors": errors, "chained": chained}
    record_property("row", json.dumps(row | {"ways": [case.kind for case in cases]}))
    assert errors == 0, output[-3000:]
