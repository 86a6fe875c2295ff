"""The network under torch.compile: one graph without a break, then its speed."""

from __future__ import annotations

import time

import torch

from benchmarks.gpu_check.context import Json, StageContext
from benchmarks.gpu_check.network_parity import expected_logits, parity
from benchmarks.gpu_check.networks import kept, rates
from benchmarks.gpu_check.sizes import IMAGE_SIDE, REHEARSED, TINY, images, network
from benchmarks.gpu_check.timing import Measured, interleaved
from vmamba_deploy.models.precision import convert_precision

_ROUNDS = 12


def run(context: StageContext) -> Json:
    """fp16 at batch 128, then at batch 1, each compiled for its size and run as a CUDA graph."""
    name, side = (REHEARSED, 32) if context.rehearsal else (TINY, IMAGE_SIDE)
    full = network(name, context.device)
    half = convert_precision(full, "fp16")
    result: Json = {"rows": [], "compile_seconds": []}
    with torch.inference_mode():
        for batch in (2, 1) if context.rehearsal else (128, 1):
            pixels = images(batch, side, side, context.device)
            torch.compiler.reset()
            backend = "aot_eager" if context.rehearsal else "inductor"
            # fullgraph makes a graph break an error.
            compiled = torch.compile(half, fullgraph=True, dynamic=False, backend=backend)
            start = time.monotonic()
            logits = torch.empty_like(compiled(pixels))
            result["compile_seconds"].append(round(time.monotonic() - start, 1))
            forward = kept(lambda: compiled(pixels), logits)  # noqa: B023
            call = {"compiled": Measured(forward, context.device)}
            times = interleaved(call, rounds=_ROUNDS, seconds=5)["compiled"]
            result["rows"].append(
                {
                    "model": name,
                    "runtime": "torch.compile and CUDA graph",
                    "precision": "fp16",
                    "batch": batch,
                    **rates(times, batch),
                    **parity(logits, expected_logits(full, pixels), "fp16"),
                }
            )
            context.save(result)
    return result
