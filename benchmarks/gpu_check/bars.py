"""What is asked of the results, each judged from the record alone."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.gpu_check.context import Json
from benchmarks.op_shapes import (
    FLOOR_BATCH,
    FLOOR_MULTIPLE,
    FLOOR_SHAPE,
    GOAL_RATIO,
    MUST_RATIO,
    PUBLISHED_IMAGES_PER_S,
)

MODEL = "vmamba_tiny_s1l8"
MODEL_RATIO = 3.0
LATENCY_MS = 1.5
FLATNESS = 1.25
RANDOM_SHAPES = 1000
HALF = ("fp16", "AMP fp16")
# Those whose result has a row per network, runtime, precision and batch size.
NETWORK_STAGES = ("networks", "compiled", "aotinductor", "onnxruntime")


def bar(name: str, wanted: str, measured: float | None, *, passed: bool | None) -> Json:
    """One judgement; `passed` is None where nothing was measured."""
    return {"name": name, "wanted": wanted, "measured": measured, "passed": passed}


def at_least(name: str, wanted: float, measured: float | None) -> Json:
    """A bar that is passed from `wanted` upwards."""
    verdict = None if measured is None else measured >= wanted
    return bar(name, f">= {wanted:g}", measured, passed=verdict)


def at_most(name: str, wanted: float, measured: float | None) -> Json:
    """A bar that is passed up to `wanted`."""
    verdict = None if measured is None else measured <= wanted
    return bar(name, f"<= {wanted:g}", measured, passed=verdict)


def judge(record: Json) -> list[Json]:
    """Every bar; none is judged from a rehearsal, whose sizes are not those that were asked for."""
    if record["rehearsal"]:
        return []
    return [*_accuracy(record), *_op(record), *_floor(record), *_network(record), *_flat(record)]


def _result(record: Json, stage: str) -> Json:
    result: Json = record["stages"].get(stage, {}).get("result") or {}
    return result


def _accuracy(record: Json) -> Iterator[Json]:
    result = _result(record, "accuracy")
    worst = max(
        (row["relative"] for row in result.get("cases", []) if row["y"] == "float32"), default=None
    )
    yield at_most("float32 result against float64, worst relative error", 1e-5, worst)
    failures = len(result["failures"]) if "failures" in result else None
    yield at_most("accuracy cases beyond their bar", 0, failures)
    random = result.get("random") or {}
    yield at_least("random shapes compared", RANDOM_SHAPES, random.get("done"))
    calls = _result(record, "plugin").get("rows")
    wrong = sum(not row["passed"] for row in calls) if calls else None
    yield at_most("plugin calls beyond their bar", 0, wrong)
    for tool, run in _result(record, "sanitizer").get("tools", {}).items():
        yield at_most(f"compute-sanitizer {tool}, errors", 0, run["errors"])


def _op(record: Json) -> Iterator[Json]:
    for row in _result(record, "op_timing").get("rows", []):
        ratio, batch = row["published_chain_over_ours"], row["batch"]
        name = f"op {row['shape']} batch {batch}, published chain over ours"
        yield at_least(name, MUST_RATIO[batch], ratio)
        yield at_least(f"{name} (goal)", GOAL_RATIO[batch], ratio) | {"goal": True}


def _floor(record: Json) -> Iterator[Json]:
    for row in _result(record, "op_timing").get("rows", []):
        if (row["shape"], row["batch"]) == (FLOOR_SHAPE.name, FLOOR_BATCH):
            floor = row["floor"]["larger"]
            multiple = row["times_us"]["ours"]["median"] / floor if floor else None
            yield at_most(
                f"op {row['shape']} batch {FLOOR_BATCH}, over its floor", FLOOR_MULTIPLE, multiple
            )


def _network(record: Json) -> Iterator[Json]:
    every = [row for stage in NETWORK_STAGES for row in _result(record, stage).get("rows", [])]
    apart = sum(not row["agrees"] for row in every)
    yield at_most("networks that differ from fp32 by too much", 0, apart if every else None)
    rows = [row for row in every if row["model"] == MODEL and row["precision"] in HALF]
    full = [row["images_per_s"] for row in rows if row["batch"] == 128]
    single = [row["ms_per_image"] for row in rows if row["batch"] == 1]
    published = PUBLISHED_IMAGES_PER_S[MODEL]["eager AMP fp16"]
    yield at_least(
        f"{MODEL} fp16 batch 128, images/s over the published eager AMP",
        MODEL_RATIO,
        max(full) / published if full else None,
    )
    yield at_most(
        f"{MODEL} fp16 batch 1, ms per image", LATENCY_MS, min(single) if single else None
    )


def _flat(record: Json) -> Iterator[Json]:
    result = _result(record, "high_resolution")
    yield at_most(
        "cost per pixel, largest over smallest", FLATNESS, result.get("largest_over_smallest")
    )
