"""Cost per pixel from 224 x 224 to 1280 x 800: flat, if the scan is linear and fills the GPU."""

from __future__ import annotations

import torch

from benchmarks.gpu_check.context import Json, StageContext
from benchmarks.gpu_check.sizes import REHEARSED, TINY, images, network
from benchmarks.gpu_check.timing import Measured, interleaved, spread
from vmamba_deploy.models.precision import convert_precision

_SIZES = ((224, 224), (512, 512), (768, 768), (1024, 1024), (800, 1280))
_TINY_SIZES = ((32, 32), (64, 32))
# As many pixels in a batch at every size, so that what differs is the length of the routes.
_PIXELS = 128 * 224 * 224
_ROUNDS = 8


def run(context: StageContext) -> Json:
    """One row per size with a full batch, and one with a single image."""
    sizes = _TINY_SIZES if context.rehearsal else _SIZES
    name = REHEARSED if context.rehearsal else TINY
    model = convert_precision(network(name, context.device), "fp16")
    result: Json = {"model": name, "rows": []}
    todo = 2 * len(sizes)
    with torch.inference_mode():
        for height, width in sizes:
            full = 1 if context.rehearsal else max(1, round(_PIXELS / (height * width)))
            for batch in sorted({1, full}):
                pixels = images(batch, height, width, context.device)
                call = {"graph": Measured(lambda: model(pixels), context.device)}  # noqa: B023
                seconds = 0.5 * max(context.seconds_left(), 0) / todo
                times = spread(interleaved(call, rounds=_ROUNDS, seconds=seconds)["graph"])
                result["rows"].append(
                    {
                        "height": height,
                        "width": width,
                        "batch": batch,
                        "full_batch": batch == full,
                        "ms": times,
                        "ns_per_pixel": times["median"] * 1e6 / (batch * height * width),
                    }
                )
                context.save(result)
                todo -= 1
    costs = [row["ns_per_pixel"] for row in result["rows"] if row["full_batch"]]
    return result | {"largest_over_smallest": max(costs) / min(costs)}
