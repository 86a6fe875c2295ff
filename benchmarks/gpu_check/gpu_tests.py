"""The project's own tests that need a GPU."""

from __future__ import annotations

from benchmarks.gpu_check.commands import ProjectCommand, raise_for_failures, run_command
from benchmarks.gpu_check.context import Json, StageContext

COMMAND = ProjectCommand(
    "pytest -m gpu",
    ("pytest", "-m", "gpu", "-q", "--ignore=tests/plugins", "--ignore=tests/runtimes"),
    ("pytest", "hypothesis", "ml_dtypes", "click", "onnx"),
)


def run(context: StageContext) -> Json:
    """What pytest counts; the tests of the stage `runtimes` are left to it."""
    result = run_command(COMMAND, context.seconds_left() - 1)
    context.save(result)
    raise_for_failures({COMMAND.name: result})
    return result
