"""What a pixel of the image costs in the network's scans on a GPU, predicted from machine code.

The kernel model takes square maps; a map of other sides counts as the square of as many pixels.
"""

from __future__ import annotations

import math
from typing import Any

from benchmarks.kernel_model.compiled import CompiledKernels, load_kernels
from benchmarks.kernel_model.gpus import H100, Gpu
from benchmarks.kernel_model.predict import predict
from benchmarks.op_comparison import RESOLUTIONS, TINY_LAYERS
from benchmarks.op_shapes import OpShape

# A full batch has as many pixels at every size as this many images of the first one.
FULL_BATCH = 128


def full_batch(height: int, width: int) -> int:
    """Images of this size that have the pixels of `FULL_BATCH` images of the first size."""
    pixels = RESOLUTIONS[0][0] * RESOLUTIONS[0][1]
    return max(1, round(FULL_BATCH * pixels / (height * width)))


def predicted_resolutions(gpu: Gpu = H100) -> dict[str, Any]:
    """The 14 scans of VMamba-T[s1l8] with their projections, fp16, at five image sizes."""
    code = load_kernels([gpu.compute_capability])[gpu.compute_capability]
    rows = [
        _row(code, gpu, height, width, batch)
        for height, width in RESOLUTIONS
        for batch in (full_batch(height, width), 1)
    ]
    return {"schema_version": 1, "gpu": gpu.name, "rows": rows}


def _row(code: CompiledKernels, gpu: Gpu, height: int, width: int, batch: int) -> dict[str, Any]:
    microseconds = 0.0
    for stage, layer in enumerate(TINY_LAYERS):
        down = 4 * 2**stage
        side = round(math.sqrt(height // down * (width // down)))
        shape = OpShape(side, layer.channels, layer.state, layer.rank)
        microseconds += layer.layers * predict(code, shape, batch, gpu).total_us
    return {
        "height": height,
        "width": width,
        "batch": batch,
        "full_batch": batch == full_batch(height, width),
        "us": microseconds,
        "ns_per_pixel": microseconds * 1e3 / (batch * height * width),
    }
