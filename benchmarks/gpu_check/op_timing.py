"""The op with its x_proj product, beside the plain PyTorch chain and the floor of each shape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from benchmarks.gpu_check.context import Json, StageContext
from benchmarks.gpu_check.environment import SPECIAL_FUNCTIONS_PER_CLOCK
from benchmarks.gpu_check.native_scan import ONNX_CODES
from benchmarks.gpu_check.timing import Measured, interleaved, ratio_spread, spread
from benchmarks.op_inputs import OpInputs, random_inputs
from benchmarks.op_predictions import kept_predictions
from benchmarks.op_shapes import BATCHES, OP_SHAPES, PUBLISHED, OpShape
from benchmarks.plain_chain import plain_chain
from vmamba_deploy.ops.contract import ScanDims
from vmamba_deploy.ops.torch_op import selective_scan_2d

_ROUNDS = 25
# The plain chain keeps a dozen float32 maps of all routes; larger batches go through it in parts.
_CHAIN_BYTES = 2**32
_TINY = (OpShape(4, 8, 1, 2), OpShape(3, 8, 4, 2))


def run(context: StageContext) -> Json:
    """One row per shape and batch size, saved as it comes."""
    shapes, batches = (_TINY, (2, 1)) if context.rehearsal else (OP_SHAPES, BATCHES)
    result: Json = {"rows": [], "dtype": "float32" if context.rehearsal else "float16"}
    rows_left = len(shapes) * len(batches)
    with torch.inference_mode():
        for batch in batches:
            for shape in shapes:
                seconds = 0.5 * max(context.seconds_left(), 0) / rows_left
                result["rows"].append(_row(context, shape, batch, seconds))
                context.save(result)
                rows_left -= 1
    return result


@dataclass(frozen=True)
class Contenders:
    """The calls that are timed at one shape."""

    inputs: OpInputs

    def ours(self) -> torch.Tensor:
        """x_proj and the op: the work of the chain."""
        proj = F.linear(self.inputs.x, self.inputs.x_proj)
        return self._scan(proj)

    def op_alone(self) -> torch.Tensor:
        """The op, its projections given."""
        return self._scan(self.inputs.proj)

    def x_proj_alone(self) -> torch.Tensor:
        """The product that makes the projections."""
        return F.linear(self.inputs.x, self.inputs.x_proj)

    def plain(self) -> list[torch.Tensor]:
        """The plain chain, a part of the batch at a time where memory asks for it."""
        x = self.inputs.x
        image_bytes = 12 * 4 * 4 * x[0].numel()
        images = max(1, min(len(x), _CHAIN_BYTES // image_bytes))
        x_proj, parameters = self.inputs.x_proj, self.inputs.parameters
        return [plain_chain(part, x_proj, *parameters) for part in x.split(images)]

    def _scan(self, proj: torch.Tensor) -> torch.Tensor:
        x = self.inputs.x
        return selective_scan_2d(x, proj, *self.inputs.parameters, ONNX_CODES[x.dtype])


def _row(context: StageContext, shape: OpShape, batch: int, seconds: float) -> Json:
    dtype = torch.float32 if context.rehearsal else torch.float16
    dims = ScanDims(batch, shape.side, shape.side, shape.channels, shape.state, shape.rank)
    contenders = Contenders(random_inputs(dims, dtype, context.device))
    named: dict[str, Callable[[], object]] = {
        "ours": contenders.ours,
        "op_alone": contenders.op_alone,
        "x_proj_alone": contenders.x_proj_alone,
        "plain_chain": contenders.plain,
    }
    calls = {name: Measured(call, context.device) for name, call in named.items()}
    times = interleaved(calls, rounds=_ROUNDS, seconds=seconds)
    spreads = {name: spread(values) for name, values in times.items()}
    ours_us = spreads["ours"]["median"] * 1e3
    published = PUBLISHED.get(shape, {}).get(batch)
    environment = context.result_of("environment")
    predicted = kept_predictions(environment.get("gpu", {}).get("name", ""))
    return {
        "shape": shape.name,
        "batch": batch,
        "times_us": {
            name: {key: value * 1e3 for key, value in each.items()}
            for name, each in spreads.items()
        },
        "rounds": len(times["ours"]),
        "plain_chain_over_ours": ratio_spread(times["plain_chain"], times["ours"]),
        "published_chain_us": published.chain_us if published else None,
        "published_chain_over_ours": published.chain_us / ours_us if published else None,
        "predicted_us": predicted.get((shape.name, batch)),
        "floor": floor_us(shape, batch, environment),
    }


def floor_us(shape: OpShape, batch: int, environment: Json) -> Json:
    """Microseconds that no implementation goes below: bytes moved, special functions; the larger.

    Special functions are counted at the highest clock of the device, so the true floor is higher.
    """
    ceilings, gpu = environment.get("ceilings"), environment.get("gpu")
    if not ceilings:
        return {"bytes": None, "special_functions": None, "larger": None}
    moved = shape.bytes_moved(batch) / ceilings["copy_bytes_per_s"] * 1e6
    special = None
    clock = environment.get("nvidia_smi", {}).get("clocks.max.sm")
    if gpu and clock:
        rate = gpu["multiprocessors"] * SPECIAL_FUNCTIONS_PER_CLOCK * float(clock) * 1e6
        special = shape.special_functions(batch) / rate * 1e6
    return {"bytes": moved, "special_functions": special, "larger": max(moved, special or 0.0)}
