"""The op's rows: ours, the reference chain of the same run, the floor, what was asked.

Floors stand at the rates that the record's own run has measured, or at an H100's nominal ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from benchmarks.network_floor import H100, Rates, operations, summary
from benchmarks.network_ops import OpRecord
from benchmarks.op_shapes import (
    BATCHES,
    GOAL_RATIO,
    MUST_RATIO,
    PUBLISHED,
    OpShape,
    bytes_moved,
    special_functions,
)
from benchmarks.report.reasons import REASONS, op_group
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
    dims = shape.dims(batch)
    moved = bytes_moved(dims) / rates.bytes_moved * 1e6
    special = special_functions(dims) / rates.special_functions * 1e6
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


PASS, GOAL, MISSED, UNKNOWN = "pass", "pass, and the goal", "**MISSED**", "not measured yet"


def op_rows(results: Results) -> list[Json]:
    """One row per shape and batch size; times are None where the record has none."""
    found = {(row["shape"], row["batch"]): row for row in results.result("op").get("rows", [])}
    rates = rates_of(results)
    rows = []
    for batch in BATCHES:
        for shape, published in PUBLISHED.items():
            measured: Json = found.get((shape.name, batch), {})
            floor = measured.get("floor_us") or op_floor_us(shape, batch, rates)
            rows.append(
                _times(measured, floor)
                | {
                    "shape": shape.name,
                    "batch": batch,
                    "group": op_group(batch, shape.state),
                    "floor": floor,
                    "published_us": published[batch],
                }
                | _judged(measured.get("chain_over_ours"), batch)
            )
    return rows


def _times(measured: Json, floor: Json) -> Json:
    times = measured.get("times_us", {})
    names = ("ours", "op_alone", "x_proj_alone", "chain")
    plan = measured.get("plan") or {}
    return {name: times.get(name) for name in names} | {
        "over_floor": times["ours"]["median"] / floor["larger"] if "ours" in times else None,
        "blocks": plan.get("resident_blocks"),
        "segments": plan.get("segments"),
        "absent": measured.get("absent", {}),
    }


def _judged(ratio: Json | None, batch: int) -> Json:
    must, goal = MUST_RATIO[batch], GOAL_RATIO[batch]
    verdict = UNKNOWN
    if ratio:
        verdict = next(
            (word for least, word in ((goal, GOAL), (must, PASS)) if ratio["median"] >= least),
            MISSED,
        )
    return {"ratio": ratio, "must": must, "goal": goal, "verdict": verdict}


def op_summary(rows: Sequence[Json], batch: int) -> Json:
    """How many rows of a batch size pass, and the span of their ratios."""
    same = [row for row in rows if row["batch"] == batch]
    ratios = [row["ratio"]["median"] for row in same if row["ratio"]]
    return {
        "batch": batch,
        "shapes": len(same),
        "must": MUST_RATIO[batch],
        "goal": GOAL_RATIO[batch],
        "span": (min(ratios), max(ratios)) if ratios else None,
        "passed": sum(row["verdict"] in (PASS, GOAL) for row in same),
        "at_goal": sum(row["verdict"] == GOAL for row in same),
        "measured": len(ratios),
    }


def op_reasons(rows: Sequence[Json]) -> dict[str, str]:
    """Why targets are missed, of each group that has such a row."""
    missed = dict.fromkeys(row["group"] for row in rows if row["verdict"] == MISSED)
    return {group: REASONS[group] for group in missed if REASONS.get(group)}


def absent_chain(rows: Sequence[Json]) -> list[str]:
    """Why the chain, or another contender, has no time."""
    return sorted({f"{k}: {why}" for row in rows for k, why in row["absent"].items()})
