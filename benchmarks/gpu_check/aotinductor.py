"""The network as an AOTInductor package: compiled ahead, loaded again, compared and timed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.gpu_check.context import Json, StageContext
from benchmarks.gpu_check.network_parity import expected_logits, parity
from benchmarks.gpu_check.networks import kept, rates
from benchmarks.gpu_check.sizes import IMAGE_SIDE, REHEARSED, TINY, images, network
from benchmarks.gpu_check.timing import Measured, interleaved
from vmamba_deploy.models.network import VMamba
from vmamba_deploy.models.precision import convert_precision

_ROUNDS = 12


def run(context: StageContext) -> Json:
    """fp16 at batch 128 and 1, from one package whose batch size is free."""
    name, side = (REHEARSED, 32) if context.rehearsal else (TINY, IMAGE_SIDE)
    batches = (2, 1) if context.rehearsal else (128, 1)
    full = network(name, context.device)
    half = convert_precision(full, "fp16")
    result: Json = {"rows": []}
    with torch.inference_mode():
        start = time.monotonic()
        package = packaged(half, images(max(batches), side, side, context.device), context.folder)
        result["package_seconds"] = round(time.monotonic() - start, 1)
        result["package_bytes"] = package.stat().st_size
        context.save(result)
        for graph in (False, True) if context.device == "cuda" else (False,):
            # Its own record of running calls cannot be captured in a graph.
            loaded = torch._inductor.aoti_load_package(str(package), run_single_threaded=graph)
            for batch in batches:
                pixels = images(batch, side, side, context.device)
                times, logits = _timed(context, lambda: loaded(pixels), graph)  # noqa: B023
                result["rows"].append(
                    {
                        "model": name,
                        "runtime": "AOTInductor" + (" and CUDA graph" if graph else ""),
                        "precision": "fp16",
                        "batch": batch,
                        **rates(times, batch),
                        **parity(logits, expected_logits(full, pixels), "fp16"),
                    }
                )
                context.save(result)
    return result


def packaged(model: VMamba, pixels: Tensor, folder: Path) -> Path:
    """The network as a .pt2 file that takes any batch size up to that of `pixels`."""
    import vmamba_deploy.ops.torch_op  # noqa: F401 - registers the op

    # A traced batch of one would become a constant.
    example = pixels if len(pixels) > 1 else pixels.repeat(2, 1, 1, 1)
    batch = torch.export.Dim("batch", min=1, max=len(example))
    program = torch.export.export(model, (example,), dynamic_shapes=({0: batch},))
    path = folder / "aotinductor" / "model.pt2"
    path.parent.mkdir(parents=True, exist_ok=True)
    return Path(torch._inductor.aoti_compile_and_package(program, package_path=str(path)))


def _timed(
    context: StageContext, forward: Callable[[], Tensor], graph: bool
) -> tuple[list[float], Tensor]:
    logits = torch.empty_like(forward())
    call = {"it": Measured(kept(forward, logits), context.device, graph=graph)}
    return interleaved(call, rounds=_ROUNDS, seconds=4)["it"], logits
