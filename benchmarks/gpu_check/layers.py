"""The time of every operation of the network beside what it computes and moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from statistics import median

import torch

from benchmarks.gpu_check.context import Json, StageContext
from benchmarks.gpu_check.sizes import IMAGE_SIDE, REHEARSED, TINY, images, network
from benchmarks.network_ops import OpRecord, record_operations
from vmamba_deploy.models.precision import convert_precision

_PASSES = 5


def run(context: StageContext) -> Json:
    """The operations of VMamba-T in fp16 at batch 128, each with the median of its times."""
    name, batch = (REHEARSED, 1) if context.rehearsal else (TINY, 128)
    side = 32 if context.rehearsal else IMAGE_SIDE
    model = convert_precision(network(name, context.device), "fp16")
    pixels = images(batch, side, side, context.device)
    timed = not context.rehearsal
    if timed:
        with torch.inference_mode():
            model(pixels)
    passes = [record_operations(model, pixels, timed=timed) for _ in range(_PASSES if timed else 1)]
    rows = [asdict(_median(same)) for same in zip(*passes, strict=True)]
    total = sum(row["time_ms"] for row in rows) if timed else None
    return {"model": name, "batch": batch, "precision": "fp16", "rows": rows, "total_ms": total}


def _median(same: Sequence[OpRecord]) -> OpRecord:
    times = [record.time_ms for record in same if record.time_ms is not None]
    return replace(same[0], time_ms=median(times) if times else None)
