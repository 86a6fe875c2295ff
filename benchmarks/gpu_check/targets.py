"""What is asked of the times, judged from the record alone: ratios within one run on one card."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.op_shapes import GOAL_RATIO, MUST_RATIO

Json = dict[str, Any]
MODEL_RATIO = 3.0  # VMamba-T at batch 128 over the public form under automatic mixed precision
LATENCY_MS = 1.5  # at batch 1, as a CUDA graph
FLATNESS = 1.25


def judge(record: Json) -> list[Json]:
    """Every target; none of a rehearsal, whose sizes are not those that were asked for."""
    if record["rehearsal"]:
        return []
    return [*_op(record), *_network(record), *_flat(record)]


def result_of(record: Json | None, command: str) -> Json:
    """What a benchmark of the run gave; {} where it has nothing."""
    for part in (record or {}).get("parts", {}).values():
        row = part["commands"].get(command)
        if row is not None:
            result: Json = row.get("result") or {}
            return result
    return {}


def rows_by_competitor(record: Json | None, command: str) -> dict[str, Json]:
    """The rows of a comparison of whole networks."""
    return {row["competitor"]: row for row in result_of(record, command).get("rows", [])}


def target(name: str, wanted: float, measured: float | None, *, least: bool) -> Json:
    """One judgement; `passed` is None where nothing was measured."""
    verdict = None
    if measured is not None:
        verdict = measured >= wanted if least else measured <= wanted
    sign = ">=" if least else "<="
    return {"name": name, "wanted": f"{sign} {wanted:g}", "measured": measured, "passed": verdict}


def _op(record: Json) -> Iterator[Json]:
    for row in result_of(record, "op").get("rows", []):
        ratio = row.get("chain_over_ours", {}).get("median")
        batch = row["batch"]
        name = f"op {row['shape']} batch {batch}, reference chain over ours"
        yield target(name, MUST_RATIO[batch], ratio, least=True)
        yield target(f"{name} (goal)", GOAL_RATIO[batch], ratio, least=True) | {"goal": True}


def _network(record: Json) -> Iterator[Json]:
    rows = rows_by_competitor(record, "network_128")
    public = rows.get("public-form", {}).get("ms", {}).get("median")
    ours = [
        row["ms"]["median"]
        for command in ("network_128", "compiled_128", "aotinductor_128")
        for name, row in rows_by_competitor(record, command).items()
        if not name.startswith("public") and row.get("agrees")
    ]
    ratio = public / min(ours) if public and ours else None
    name = "VMamba-T fp16 batch 128, eager mixed precision of the public form over ours"
    yield target(name, MODEL_RATIO, ratio, least=True)
    graph = rows_by_competitor(record, "network_1").get("pytorch-cuda-graph", {})
    latency = graph["ms"]["median"] if graph.get("agrees") else None
    yield target("VMamba-T fp16 batch 1 as a CUDA graph, ms", LATENCY_MS, latency, least=False)


def _flat(record: Json) -> Iterator[Json]:
    spread = result_of(record, "resolutions").get("largest_over_smallest")
    yield target("cost per pixel, largest over smallest", FLATNESS, spread, least=False)


def text_of_targets(targets: list[Json]) -> str:
    """A line for each."""
    verdicts = {True: "pass", False: "MISSED", None: "not measured"}
    return "\n".join(
        f"{verdicts[one['passed']]:>12}  {one['wanted']:<7} "
        f"{'-' if one['measured'] is None else format(one['measured'], '.3g'):>6}  {one['name']}"
        for one in targets
    )
