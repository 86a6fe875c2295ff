"""Cost per pixel from 224 x 224 to 1280 x 800: flat, if the scan is linear and fills the GPU."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.gpu.machine import gpu_properties
from benchmarks.gpu.timing import Measured, interleaved, spread
from benchmarks.networks import REHEARSED, TINY, images, network
from vmamba_deploy.models.vmamba.precision import convert_precision

Json = dict[str, Any]
_SIZES = ((224, 224), (512, 512), (768, 768), (1024, 1024), (800, 1280))
_TINY_SIZES = ((32, 32), (64, 32))
# As many pixels in a batch at every size, so that what differs is the length of the routes.
_PIXELS = 128 * 224 * 224
_ROUNDS, _SECONDS = 8, 1.0


def time_resolutions(device: str, *, tiny: bool = False) -> Json:
    """One row per size with a full batch, and one with a single image; fp16, as CUDA graphs.

    Args:
        device: `cuda`, or `cpu` for a rehearsal.
        tiny: a small network at two small sizes.
    """
    name = REHEARSED if tiny else TINY
    model = convert_precision(network(name, device), "fp16")
    rows = []
    with torch.inference_mode():
        for height, width in _TINY_SIZES if tiny else _SIZES:
            full = 1 if tiny else max(1, round(_PIXELS / (height * width)))
            for batch in sorted({1, full}):
                pixels = images(batch, height, width, device)
                call = {"graph": Measured(lambda: model(pixels), device)}  # noqa: B023
                times = spread(interleaved(call, rounds=_ROUNDS, seconds=_SECONDS)["graph"])
                rows.append(
                    {
                        "height": height,
                        "width": width,
                        "batch": batch,
                        "full_batch": batch == full,
                        "ms": times,
                        "ns_per_pixel": times["median"] * 1e6 / (batch * height * width),
                    }
                )
    costs = [row["ns_per_pixel"] for row in rows if row["full_batch"]]
    return {
        "schema_version": 2,
        "model": name,
        "gpu": gpu_properties()["name"] if device == "cuda" else None,
        "rows": rows,
        "largest_over_smallest": max(costs) / min(costs),
    }
