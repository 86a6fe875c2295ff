"""docs/comparison.md and the README's table of it: networks of papers as deployed files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.compare.targets import SIDE, judge, row_of
from benchmarks.compare.ways import ONNXRUNTIME, OPENVINO

Json = dict[str, Any]
COMMAND = "python -m benchmarks compare --json benchmarks/results/compare.json"
TITLES = {ONNXRUNTIME: "ONNX Runtime", OPENVINO: "OpenVINO"}
# Busy with other work: fewer, and times mean something beside ratios.
QUIET_CORES = 0.2
_README_NETWORKS = ("VMamba-T", "Swin-T", "ConvNeXt-T", "DeiT-S", "ResNet-50")
_README_BATCH = 1


def values(record: Json | None) -> Json:
    """What the page's template shows."""
    if record is None:
        return {"record": None, "command": COMMAND}
    return {
        "record": record,
        "command": COMMAND,
        "targets": judge(record),
        "tools": ", ".join(f"{name} {version}" for name, version in record["tools"].items()),
        "columns": columns(record),
        "networks": [*networks(record)],
        "speeds": {batch: [*speeds(record, batch)] for batch in batches(record)},
        "sides": [*sides(record)],
        "titles": TITLES,
        "quiet": record["busy_cores"]["q75"] < QUIET_CORES,
        "missing": [*missing(record)],
    }


def columns(record: Json) -> list[tuple[str, str]]:
    """(runtime, precision) of all rows, in their order."""
    found = {(row["runtime"], row["precision"]) for _, row in _rows(record)}
    return sorted(found, key=lambda each: (record["runtimes"].index(each[0]), each[1]))


def batches(record: Json) -> list[int]:
    """Of images of the smallest side."""
    return sorted({row["batch"] for group, row in _rows(record) if group["side"] == SIDE})


def networks(record: Json) -> Iterator[Json]:
    """What each network is, apart from its time."""
    rate = record["multiply_adds_per_s"]
    for group in _at(record, SIDE):
        told = record["networks"][group["network"]]
        floor = group["multiply_adds"] / rate * 1e3
        cells = _cells(record, group["network"], min(batches(record), default=1), SIDE)
        yield told | group | cells | {"name": group["network"], "floor_ms": floor}


def speeds(record: Json, batch: int) -> Iterator[Json]:
    """Of each network at 224 x 224 its row in every column."""
    for group in _at(record, SIDE):
        yield {"name": group["network"]} | _cells(record, group["network"], batch, SIDE)


def sides(record: Json) -> Iterator[Json]:
    """Of each larger size and network its row in every column, at the smallest batch."""
    batch = min(batches(record), default=1)
    for group in sorted(record["groups"], key=lambda group: group["side"]):
        if group["side"] != SIDE:
            cells = _cells(record, group["network"], batch, group["side"])
            yield {"name": group["network"], "side": group["side"]} | cells


def missing(record: Json) -> Iterator[str]:
    """What could not be measured, and why."""
    for group in record["groups"]:
        for row in (*group["absent"], *group["failed"]):
            what = f"{group['network']} {group['side']}, {row['runtime']} {row['precision']}"
            yield f"{what}: {row['reason']}"


def readme_values(record: Json | None) -> Json | None:
    """Images per second of a few networks of one size, for the README."""
    if record is None:
        return None
    known = {group["network"] for group in _at(record, SIDE)}
    shown = [name for name in _README_NETWORKS if name in known]
    busy = record["busy_cores"]["q75"] >= QUIET_CORES
    return {
        "where": f"on {record['cpu']}, {record['threads']} threads"
        + (", shared with other work" if busy else ""),
        "columns": [f"{TITLES.get(name, name)} {precision}" for name, precision in columns(record)],
        "rows": [
            {
                "name": name,
                "top1": record["networks"][name]["top1"],
                "speeds": [
                    row and row["images_per_s"]
                    for row in _cells(record, name, _README_BATCH, SIDE)["cells"].values()
                ],
            }
            for name in shown
        ],
    }


def _cells(record: Json, name: str, batch: int, side: int) -> Json:
    rows = {column: row_of(record, name, *column, batch, side) for column in columns(record)}
    return {"cells": rows}


def _at(record: Json, side: int) -> list[Json]:
    return [group for group in record["groups"] if group["side"] == side]


def _rows(record: Json) -> Iterator[tuple[Json, Json]]:
    return ((group, row) for group in record["groups"] for row in group["rows"])
