"""The op's rows: ours, the reference chain of the same run, the floor, what was asked."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.op_shapes import BATCHES, GOAL_RATIO, MUST_RATIO, PUBLISHED
from benchmarks.report.floors import op_floor_us, rates_of
from benchmarks.report.reasons import REASONS, op_group
from benchmarks.report.results import Json, Results

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
                    "published_us": published[batch].chain_us,
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
    """Why bars are missed, of each group that has such a row."""
    missed = dict.fromkeys(row["group"] for row in rows if row["verdict"] == MISSED)
    return {group: REASONS[group] for group in missed if REASONS.get(group)}


def absent_chain(rows: Sequence[Json]) -> list[str]:
    """Why the chain, or another contender, has no time."""
    return sorted({f"{k}: {why}" for row in rows for k, why in row["absent"].items()})
