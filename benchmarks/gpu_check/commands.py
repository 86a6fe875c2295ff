"""Running other commands of the project within a stage's time."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.gpu_check.context import Json, StageSkippedError

ROOT = Path(__file__).resolve().parents[2]
PYTEST = ("pytest", "-m", "gpu", "-q", "-p", "no:cacheprovider", "--continue-on-collection-errors")
TEST_PACKAGES = ("pytest", "hypothesis", "ml_dtypes")
_TAIL = 3000
_COUNT = re.compile(r"(\d+) (passed|failed|skipped|error)")


@dataclass(frozen=True)
class ProjectCommand:
    """`python -m <arguments>`, run if the Python packages that it imports are there."""

    name: str
    arguments: tuple[str, ...]
    packages: tuple[str, ...]
    share: float = 1.0  # of the time that is left


def gpu_test_files(*folders: str) -> tuple[str, ...]:
    """The test files below these folders that have tests for a GPU, at least one.

    Only they are collected: the others may import packages that a bare machine lacks.

    Raises:
        StageSkippedError: there is none; pytest would take that for all tests.
    """
    files = (file for folder in folders for file in (ROOT / folder).rglob("test_*.py"))
    marked = sorted(file for file in files if "mark.gpu" in file.read_text())
    if not marked:
        raise StageSkippedError(f"{', '.join(folders)}: no test needs a GPU")
    return tuple(str(file.relative_to(ROOT)) for file in marked)


def text_of(output: str | bytes | None) -> str:
    """What a stopped process had printed."""
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""


def run_command(command: ProjectCommand, seconds: float) -> Json:
    """Status, counts of pytest where it is one, and the end of the output."""
    absent = [name for name in command.packages if importlib.util.find_spec(name) is None]
    if absent:
        return {"status": "skipped", "reason": f"Python has no {', '.join(absent)}", "output": ""}
    try:
        done = subprocess.run(
            [sys.executable, "-m", *command.arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=max(seconds, 1),
            cwd=ROOT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        reason = f"stopped after {seconds:.0f} s"
        return {"status": "timeout", "reason": reason, "output": text_of(error.output)[-_TAIL:]}
    counts = {word: int(number) for number, word in _COUNT.findall(done.stdout[-500:])}
    status = "passed" if done.returncode == 0 else "failed"
    if status == "passed" and counts and not counts.get("passed"):
        status = "skipped"
    return {"status": status, "counts": counts, "output": done.stdout[-_TAIL:]}


def run_all(commands: Sequence[ProjectCommand], seconds: float) -> dict[str, Json]:
    """The results by name; each command gets its share of what is left."""
    return {each.name: run_command(each, seconds * each.share) for each in commands}


class CommandFailedError(AssertionError):
    """A command of the stage failed; the stage's result has its output."""


def raise_for_failures(results: dict[str, Json]) -> None:
    """Raise CommandFailedError with the first failure's output.

    Raises:
        StageSkippedError: every command was skipped.
    """
    for name, result in results.items():
        if result["status"] in ("failed", "timeout"):
            raise CommandFailedError(f"{name}: {result['status']}\n{result['output']}")
    if all(result["status"] == "skipped" for result in results.values()):
        raise StageSkippedError("; ".join(f"{name}: {_why(one)}" for name, one in results.items()))


def _why(result: Json) -> str:
    return result.get("reason") or "every test was skipped"
