"""The project's own tests that need a GPU, but for what other stages do in less time."""

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
# The stages `accuracy` and `compiled` do what tests of these names do.
_REST = ("-k", "not float64 and not compiled")
_KERNELS = ("tests/plugins", "tests/models", "tests/ops")
_RUNTIMES = ("tests/onnxruntime_library", "tests/runtimes", "tests/export", "tests/pipeline")


def run(context: StageContext) -> Json:
    """The outcome of each half."""
    results = run_all(_commands(), context.seconds_left() - _RESERVE_S)
    result: Json = {"commands": results}
    context.save(result)
    raise_for_failures(results)
    return result


def _commands() -> tuple[ProjectCommand, ...]:
    kernels = (*PYTEST, *_REST, *gpu_test_files(*_KERNELS))
    runtimes = (*PYTEST, *_REST, *gpu_test_files(*_RUNTIMES))
    onnx = (*TEST_PACKAGES, "onnx", "onnxscript", "onnxruntime", "jsonschema", "polygraphy")
    return (
        ProjectCommand("kernels and networks", kernels, TEST_PACKAGES, share=0.5),
        ProjectCommand("runtimes", runtimes, onnx, share=0.5),
    )
