"""The runtimes other than PyTorch: the plugin through its interface, ONNX Runtime, AOTInductor."""

from __future__ import annotations

from benchmarks.gpu_check.commands import ProjectCommand, raise_for_failures, run_all
from benchmarks.gpu_check.context import Json, StageContext

_PYTEST = ("pytest", "-m", "gpu", "-q", "-x")
_TEST_PACKAGES = ("pytest", "hypothesis", "ml_dtypes")
COMMANDS = (
    ProjectCommand("plugin harness", (*_PYTEST, "tests/plugins"), _TEST_PACKAGES, share=0.35),
    ProjectCommand(
        "runtimes", (*_PYTEST, "tests/runtimes"), (*_TEST_PACKAGES, "onnxruntime"), share=0.55
    ),
)
_REHEARSED = (ProjectCommand("pytest", ("pytest", "--version"), ("pytest",)),)


def run(context: StageContext) -> Json:
    """The outcome of each command."""
    commands = _REHEARSED if context.rehearsal else COMMANDS
    results = run_all(commands, context.seconds_left())
    result: Json = {"commands": results}
    context.save(result)
    raise_for_failures(results)
    return result
