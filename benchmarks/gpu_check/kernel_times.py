"""Each kernel that the op launches, timed alone by PyTorch's profiler."""

from __future__ import annotations

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.gpu_check.context import Json, StageContext
from benchmarks.gpu_check.native_scan import ONNX_CODES
from benchmarks.op_inputs import OpInputs, random_inputs
from benchmarks.op_predictions import kept_kernel_predictions, plain_name
from benchmarks.op_shapes import BATCHES, OP_SHAPES
from vmamba_deploy.ops.contract import ScanDims
from vmamba_deploy.ops.torch_op import selective_scan_2d

_CALLS = 10


def run(context: StageContext) -> Json:
    """Mean microseconds and launches per call of every kernel, by shape and batch size."""
    gpu = context.result_of("environment").get("gpu", {}).get("name", "")
    predicted = kept_kernel_predictions(gpu)
    result: Json = {"rows": []}
    for batch in BATCHES:
        for shape in OP_SHAPES:
            dims = ScanDims(batch, shape.side, shape.side, shape.channels, shape.state, shape.rank)
            inputs = random_inputs(dims, torch.float16, context.device)
            for kernel in profiled(inputs):
                key = shape.name, batch, plain_name(kernel["kernel"])
                row = {"shape": shape.name, "batch": batch, **kernel}
                result["rows"].append(row | {"predicted_us": predicted.get(key)})
            context.save(result)
    return result


def profiled(inputs: OpInputs) -> list[Json]:
    """The kernels of one call, the longest first."""
    code = ONNX_CODES[inputs.x.dtype]
    with torch.inference_mode():
        selective_scan_2d(*inputs.scan, code)
        torch.cuda.synchronize()
        with profile(activities=[ProfilerActivity.CUDA]) as profiler:
            for _ in range(_CALLS):
                selective_scan_2d(*inputs.scan, code)
            torch.cuda.synchronize()
    kernels = [
        {
            "kernel": event.key,
            "launches_per_call": event.count / _CALLS,
            "us_per_call": event.self_device_time_total / _CALLS,
        }
        for event in profiler.key_averages()
        if event.self_device_time_total > 0
    ]
    return sorted(kernels, key=lambda kernel: -kernel["us_per_call"])
