"""compute-sanitizer over small calls of every kind: memory accesses, then shared memory races."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks.gpu_check.commands import text_of
from benchmarks.gpu_check.context import Json, StageContext, StageSkippedError, write_json
from benchmarks.gpu_check.launch_ways import cases_of_every_way, gpu_at_hand, work_of

TOOLS = ("memcheck", "racecheck")
_PLACES = (
    "/usr/local/cuda/bin/compute-sanitizer",
    "/usr/local/cuda/compute-sanitizer/compute-sanitizer",
)
_TAIL = 3000
# Ways of launching that come with more pixels, channels and states than this are left out: a
# sanitizer would take minutes over them.
_LARGEST_WORK = 400_000


class SanitizerError(AssertionError):
    """A tool found an error; the stage's result has its words."""


def run(context: StageContext) -> Json:
    """Errors that each tool counts, with the end of what it printed."""
    program = shutil.which("compute-sanitizer") or next(filter(_is_file, _PLACES), None)
    if program is None:
        raise StageSkippedError("compute-sanitizer is not on this machine")
    cases = [
        case for case in cases_of_every_way(gpu_at_hand()) if work_of(case.dims) <= _LARGEST_WORK
    ]
    more = context.folder / "sanitizer_calls.json"
    write_json(more, [asdict(case.dims) for case in cases])
    result: Json = {"program": program, "tools": {}, "ways": [case.kind for case in cases]}
    for left, tool in zip(range(len(TOOLS), 0, -1), TOOLS, strict=True):
        limit = context.seconds_left() / left - 1
        command = [program, "--tool", tool]
        result["tools"][tool] = _checked(command, more, context.built_library(), limit)
        context.save(result)
    bad = [tool for tool, one in result["tools"].items() if one["errors"] != 0]
    if bad:
        raise SanitizerError(f"{bad[0]}: {result['tools'][bad[0]]['output'][-_TAIL:]}")
    return result


def _is_file(path: str) -> bool:
    return Path(path).is_file()


def _checked(tool: list[str], more: Path, variables: dict[str, str], limit_s: float) -> Json:
    """`errors` is None if the tool did not come to an end."""
    command = [*tool, "--print-limit", "20"]
    command += [sys.executable, "-m", "benchmarks.gpu_check.device_calls", "sanitizer"]
    command += ["--more", str(more)]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env=os.environ | variables,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        printed = text_of(error.stdout)[-_TAIL:]
        return {"errors": None, "output": f"stopped after {limit_s:.0f} s\n{printed}"}
    output = done.stdout + done.stderr
    return {"errors": errors_in(output, done.returncode), "output": output[-_TAIL:]}


def errors_in(output: str, exit_code: int) -> int | None:
    """The count in a tool's summary; None where it printed none or the program failed."""
    counts = re.findall(r"(?:ERROR SUMMARY|RACECHECK SUMMARY): (\d+) (?:error|hazard)", output)
    if not counts or (int(counts[-1]) == 0 and exit_code != 0):
        return None
    return int(counts[-1])
