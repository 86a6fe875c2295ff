"""The time of every operation of the network beside what it computes and moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from statistics import median
from typing import Any

import torch

from benchmarks.gpu.machine import gpu_properties
from benchmarks.network_ops import OpRecord, record_operations
from benchmarks.networks import IMAGE_SIDE, REHEARSED, TINY, images, network
from vmamba_deploy.models.vmamba.precision import convert_precision

_PASSES = 5


def time_layers(device: str, *, tiny: bool = False) -> dict[str, Any]:
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
    rows = [asdict(_median(same)) for same in zip(*passes, strict=True)]
    return {
        "schema_version": 2,
        "model": name,
        "batch": batch,
        "precision": "fp16",
        "gpu": gpu_properties()["name"] if timed else None,
        "rows": rows,
        "total_ms": sum(row["time_ms"] for row in rows) if timed else None,
    }


def _median(same: Sequence[OpRecord]) -> OpRecord:
    times = [record.time_ms for record in same if record.time_ms is not None]
    return replace(same[0], time_ms=median(times) if times else None)
