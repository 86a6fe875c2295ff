"""Floors at the rates that the record's own run has measured, or at an H100's nominal ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from benchmarks.network_floor import H100, Rates, operations, summary
from benchmarks.network_ops import OpRecord
from benchmarks.op_shapes import OpShape
from benchmarks.report.results import Json, Results

# Of a multiprocessor in a clock: 128 fused multiply-adds, two operations each, to 16 special ones.
_SCALAR_FLOP_PER_SPECIAL = 2 * 128 / 16


def rates_of(results: Results) -> Rates:
    """What the GPU of the record does in a second; an H100's rates where nothing was measured."""
    machine, op = results.result("machine"), results.result("op")
    known = machine.get("ceilings") or op.get("ceilings")
    if not known or not known["special_functions_per_s"]:
        return H100
    return Rates(
        name=gpu_name(results) or "GPU",
        bytes_moved=known["copy_bytes_per_s"],
        product_flop=known["product_flop_per_s"],
        scalar_flop=_SCALAR_FLOP_PER_SPECIAL * known["special_functions_per_s"],
        special_functions=known["special_functions_per_s"],
    )


def gpu_name(results: Results) -> str | None:
    """The card of the record."""
    found: str | None = results.result("machine").get("gpu", {}).get("name")
    return found or results.result("op").get("gpu")


def op_floor_us(shape: OpShape, batch: int, rates: Rates) -> dict[str, float]:
    """Microseconds of a shape: of its bytes, of its special functions, the larger."""
    moved = shape.bytes_moved(batch) / rates.bytes_moved * 1e6
    special = shape.special_functions(batch) / rates.special_functions * 1e6
    return {"bytes": moved, "special_functions": special, "larger": max(moved, special)}


@dataclass(frozen=True)
class NetworkFloor:
    """Milliseconds of a network in fp16.

    Attributes:
        alone: with each operation by itself, as eager PyTorch runs them.
        fused: with norms and elementwise operations riding in the kernels beside them.
    """

    alone: float
    fused: float


def network_floor_of(results: Results, preset: str, batch: int) -> NetworkFloor:
    """From the kept floor where it has the network and batch size, else computed."""
    floor = results.floor or {"preset": None, "batches": {}}
    if floor["preset"] == preset and str(batch) in floor["batches"]:
        return _in_ms(floor["batches"][str(batch)])
    return _computed(preset, batch, rates_of(results))


@cache
def _computed(preset: str, batch: int, rates: Rates) -> NetworkFloor:
    return _in_ms(summary(operations(preset, batch), rates))


def _in_ms(floors: Json) -> NetworkFloor:
    return NetworkFloor(alone=floors["total_us"] / 1e3, fused=floors["heavy_us"] / 1e3)


def with_measured_layers(results: Results) -> Results:
    """The network's floor at the record's rates, with its layer times beside it where it has them.

    Without a record the floor stays as it was kept.
    """
    if not results.floor or not results.gpu:
        return results
    floor, rates, layers = results.floor, rates_of(results), results.result("layers")
    timed: dict[str, list[OpRecord]] = {}
    if layers.get("model") == floor["preset"]:
        timed[str(layers["batch"])] = [OpRecord(**row) for row in layers["rows"]]
    batches: Json = {
        batch: summary(timed.get(batch) or operations(floor["preset"], int(batch)), rates)
        for batch in floor["batches"]
    }
    return replace(results, floor=floor | {"batches": batches})
