"""The runtimes other than PyTorch: the plugin through its interface, ONNX Runtime, AOTInductor."""

from __future__ import annotations

from benchmarks.gpu_check.commands import (
    PYTEST,
    TEST_PACKAGES,
    ProjectCommand,
    gpu_test_files,
    raise_for_failures,
    run_all,
)
from benchmarks.gpu_check.context import Json, StageContext

_RESERVE_S = 2.0


def run(context: StageContext) -> Json:
    """The outcome of each command."""
    results = run_all(_commands(context), context.seconds_left() - _RESERVE_S)
    result: Json = {"commands": results}
    context.save(result)
    raise_for_failures(results)
    return result


def _commands(context: StageContext) -> tuple[ProjectCommand, ...]:
    if context.rehearsal:
        return (ProjectCommand("pytest", ("pytest", "--version"), ("pytest",)),)
    plugin = (*PYTEST, *gpu_test_files("tests/plugins", "tests/onnxruntime_library"))
    others = (*PYTEST, *gpu_test_files("tests/runtimes"))
    return (
        ProjectCommand("plugin and library", plugin, TEST_PACKAGES, share=0.4),
        ProjectCommand("runtimes", others, (*TEST_PACKAGES, "onnx"), share=0.6),
    )
