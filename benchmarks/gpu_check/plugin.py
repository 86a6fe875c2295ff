"""The TensorRT plugin on the GPU, driven through IPluginV3 with no TensorRT library."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from benchmarks.gpu_check.accuracy import (
    InaccurateError,
    errors_of,
    expected_result,
    nmse_bar,
)
from benchmarks.gpu_check.accuracy_cases import DTYPES
from benchmarks.gpu_check.context import Json, StageContext, StageSkippedError
from benchmarks.gpu_check.plugin_program import build_program, run_plugin
from benchmarks.op_inputs import random_inputs
from vmamba_deploy.native.headers import tensorrt_headers
from vmamba_deploy.ops.contract import ScanDims

# One launch of each kind of kernel, and three launches of each; odd sizes, and one pixel.
_CALLS = (
    ScanDims(2, 28, 28, 192, 1, 12),
    ScanDims(1, 56, 56, 96, 1, 6),
    ScanDims(1, 56, 56, 48, 16, 6),
    ScanDims(2, 7, 7, 64, 16, 4),
    ScanDims(3, 9, 13, 33, 1, 5),
    ScanDims(1, 1, 1, 5, 3, 1),
)


def run(context: StageContext) -> Json:
    """The errors of every call in every dtype."""
    headers = tensorrt_headers().find()
    if headers is None:
        raise StageSkippedError(
            "the headers of TensorRT are not here: set TENSORRT_INCLUDE_DIR, "
            "or bring them with the package that `python -m benchmarks gpu-kit` makes"
        )
    folder = context.folder / "plugin"
    kernels = Path(context.result_of("build")["library"])
    program = build_program(folder, kernels, headers)
    result: Json = {"headers": str(headers), "rows": []}
    for dims in _CALLS:
        for in_dtype, out_dtype in DTYPES:
            inputs = random_inputs(dims, in_dtype, context.device, seed=dims.length)
            y = run_plugin(program, inputs, out_dtype, folder, context.seconds_left())
            expected = expected_result(inputs)
            errors = errors_of(y.double().to(context.device), expected)
            passed = errors["nmse"] <= nmse_bar(expected, out_dtype)
            names = {"x": str(in_dtype), "y": str(out_dtype)}
            result["rows"].append({"dims": asdict(dims), **names, **errors, "passed": passed})
        context.save(result)
    failures = [row for row in result["rows"] if not row["passed"]]
    if failures:
        raise InaccurateError(f"{len(failures)} calls are beyond their bar, first {failures[0]}")
    return result
