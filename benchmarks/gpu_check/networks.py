"""Whole networks in PyTorch: eager in three precisions, and as CUDA graphs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.gpu_check.context import Json, StageContext
from benchmarks.gpu_check.network_parity import expected_logits, full_float32, parity
from benchmarks.gpu_check.sizes import BASE, IMAGE_SIDE, REHEARSED, TINY, VANILLA, images, network
from benchmarks.gpu_check.timing import Measured, interleaved, spread
from vmamba_deploy.models.network import VMamba
from vmamba_deploy.models.precision import convert_precision

_ROUNDS = 12
_BATCHES = (128, 1)


def run(context: StageContext) -> Json:
    """The rows of each network at each batch size, saved as they come."""
    names = (REHEARSED,) if context.rehearsal else (TINY, BASE, VANILLA)
    batches, side = ((2, 1), 32) if context.rehearsal else (_BATCHES, IMAGE_SIDE)
    result: Json = {"rows": []}
    todo = len(names) * len(batches)
    with torch.inference_mode():
        for name in names:
            model = network(name, context.device)
            half = convert_precision(model, "fp16")
            for batch in batches:
                pixels = images(batch, side, side, context.device)
                seconds = 0.5 * max(context.seconds_left(), 0) / todo
                result["rows"] += _rows(context, name, (model, half), pixels, seconds)
                context.save(result)
                todo -= 1
    return result


def _rows(
    context: StageContext,
    name: str,
    models: tuple[VMamba, VMamba],
    pixels: Tensor,
    seconds: float,
) -> list[Json]:
    full, half = models

    def with_amp() -> Tensor:
        with torch.autocast(context.device, dtype=torch.float16):
            return full(pixels)

    ways: dict[tuple[str, str], Callable[[], Tensor]] = {
        ("eager", "fp32"): lambda: full(pixels),
        ("eager", "AMP fp16"): with_amp,
        ("eager", "fp16"): lambda: half(pixels),
        ("CUDA graph", "fp32"): lambda: full(pixels),
        ("CUDA graph", "fp16"): lambda: half(pixels),
    }
    if context.rehearsal:  # neither autocast to half precision nor graphs mean anything on a CPU
        ways = {way: ways[way] for way in (("eager", "fp32"), ("eager", "fp16"))}
    expected = expected_logits(full, pixels)
    logits = {way: torch.empty_like(full(pixels)) for way in ways}
    calls = {
        " ".join(way): Measured(
            kept(call, logits[way]), context.device, graph=way[0] == "CUDA graph"
        )
        for way, call in ways.items()
    }
    times = interleaved(calls, rounds=_ROUNDS, seconds=seconds)
    with full_float32():  # timed as PyTorch's users have it, compared as what it is
        exact = full(pixels)
    return [
        {
            "model": name,
            "runtime": runtime,
            "precision": precision,
            "batch": len(pixels),
            **rates(times[f"{runtime} {precision}"], len(pixels)),
            **parity(
                exact if precision == "fp32" else logits[runtime, precision], expected, precision
            ),
        }
        for runtime, precision in ways
    ]


def kept(forward: Callable[[], Tensor], logits: Tensor) -> Callable[[], Tensor]:
    """The pass with its logits copied to where they can be read after a graph's replay too."""
    return lambda: logits.copy_(forward())


def rates(times_ms: list[float], batch: int) -> Json:
    """Images/s and ms per image of a batch's times."""
    times = spread(times_ms)
    return {
        "times_ms": times,
        "images_per_s": batch / times["median"] * 1e3,
        "ms_per_image": times["median"] / batch,
    }
