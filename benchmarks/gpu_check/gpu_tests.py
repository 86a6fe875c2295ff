"""The project's own tests that need a GPU."""

from __future__ import annotations

from benchmarks.gpu_check.commands import (
    PYTEST,
    TEST_PACKAGES,
    ProjectCommand,
    gpu_test_files,
    raise_for_failures,
    run_command,
)
from benchmarks.gpu_check.context import Json, StageContext

_RESERVE_S = 1.0
# The stage `runtimes` runs those of the plugin and of the other runtimes.
_FOLDERS = ("tests/benchmarks", "tests/export", "tests/models", "tests/ops", "tests/pipeline")


def run(context: StageContext) -> Json:
    """What pytest counts."""
    files = gpu_test_files(*_FOLDERS)
    command = ProjectCommand("pytest -m gpu", (*PYTEST, *files), TEST_PACKAGES)
    result = run_command(command, context.seconds_left() - _RESERVE_S)
    context.save(result)
    raise_for_failures({command.name: result})
    return result
