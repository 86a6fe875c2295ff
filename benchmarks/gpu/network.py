"""VMamba-T in fp16 on a GPU: the time of every operation, and what a pixel costs at five sizes."""

from __future__ import annotations

from dataclasses import asdict, replace
from statistics import median
from typing import Any

import torch

from benchmarks.network_ops import record_operations
from benchmarks.networks import IMAGE_SIDE, REHEARSED, TINY, images, network
from benchmarks.op_shapes import RESOLUTIONS
from benchmarks.timing import Measured, gpu_name, interleaved, spread
from vmamba_deploy.models.vmamba.network import convert_precision

Json = dict[str, Any]
_PASSES = 5
_TINY_SIZES = ((32, 32), (64, 32))
# As many pixels in a batch at every size, so that what differs is the length of the routes.
_PIXELS = 128 * 224 * 224
_ROUNDS, _SECONDS = 8, 1.0


def time_layers(device: str, *, tiny: bool = False) -> Json:
    """The operations of VMamba-T in fp16 at batch 128, each with the median of its times.

    Args:
        device: `cuda`; on `cpu` the operations are recorded and not timed.
        tiny: a small network and one small image.
    """
    name, batch, side = (REHEARSED, 1, 32) if tiny else (TINY, 128, IMAGE_SIDE)
    timed = device == "cuda"
    model = convert_precision(network(name, device), "fp16")
    pixels = images(batch, side, side, device)
    if timed:
        with torch.inference_mode():
            model(pixels)
    passes = [record_operations(model, pixels, timed=timed) for _ in range(_PASSES if timed else 1)]
    rows = []
    for same in zip(*passes, strict=True):
        times = [record.time_ms for record in same if record.time_ms is not None]
        rows.append(asdict(replace(same[0], time_ms=median(times) if times else None)))
    return {
        "schema_version": 2,
        "model": name,
        "batch": batch,
        "precision": "fp16",
        "gpu": gpu_name(device),
        "rows": rows,
        "total_ms": sum(row["time_ms"] for row in rows) if timed else None,
    }


def time_resolutions(device: str, *, tiny: bool = False) -> Json:
    """One row per size with a full batch, and one with a single image; fp16, as CUDA graphs.

    Flat, if the scan is linear and fills the GPU.

    Args:
        device: `cuda`, or `cpu` for a rehearsal.
        tiny: a small network at two small sizes.
    """
    name = REHEARSED if tiny else TINY
    model = convert_precision(network(name, device), "fp16")
    rows = []
    with torch.inference_mode():
        for height, width in _TINY_SIZES if tiny else RESOLUTIONS:
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
        "gpu": gpu_name(device),
        "rows": rows,
        "largest_over_smallest": max(costs) / min(costs),
    }
