"""The record as text for a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from benchmarks.gpu_check.bars import NETWORK_STAGES
from benchmarks.gpu_check.context import Json
from benchmarks.op_predictions import plain_name


def text_tables(record: Json) -> str:
    """Each part of the record as a table."""
    tables = (_stages, _accuracy, _op, _kernels, _networks, _resolutions, _bars)
    parts = [table(record) for table in tables]
    return "\n\n".join(part for part in parts if part)


def _aligned(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell; '' without rows."""
    if not rows:
        return ""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in (head, *rows)
    ]
    return "\n".join([title, *(line.rstrip() for line in lines)])


def _rows(record: Json, stage: str) -> list[Json]:
    result = record["stages"].get(stage, {}).get("result") or {}
    rows: list[Json] = result.get("rows", [])
    return rows


def _number(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _stages(record: Json) -> str:
    rows = [
        (
            name,
            entry["status"],
            f"{entry['seconds']:.0f}",
            (entry["error"] or "").strip().split("\n")[-1][:100],
        )
        for name, entry in record["stages"].items()
    ]
    return _aligned("Stages", ("stage", "status", "s", "why"), rows)


def accuracy_rows(cases: Sequence[Json]) -> list[Json]:
    """The worst of the compared cases by dtypes: NaN where one is not finite."""
    rows = []
    for x, y in sorted({(case["x"], case["y"]) for case in cases}):
        same = [case for case in cases if (case["x"], case["y"]) == (x, y)]
        worst = max(same, key=_badness)
        names = ("relative", "nmse", "kind")
        rows.append(
            {"x": x, "y": y, "cases": len(same)}
            | {name: worst[name] for name in names}
            | {"equal_bits": all(case["equal_bits"] for case in same)}
        )
    return rows


def _badness(case: Json) -> float:
    relative = float(case["relative"])
    return math.inf if math.isnan(relative) else relative


def _accuracy(record: Json) -> str:
    result = record["stages"].get("accuracy", {}).get("result") or {}
    rows = [
        (
            row["x"],
            row["y"],
            str(row["cases"]),
            f"{row['relative']:.1e}",
            f"{row['nmse']:.1e}",
            row["kind"],
            "equal" if row["equal_bits"] else "DIFFER",
        )
        for row in accuracy_rows(result.get("cases", []))
    ]
    head = ("x", "y", "cases", "worst relative", "its NMSE", "which", "bits again")
    return _aligned("Accuracy against float64", head, rows)


def _op(record: Json) -> str:
    rows = [
        (
            row["shape"],
            str(row["batch"]),
            _number(row["times_us"]["ours"]["median"]),
            _number(row["predicted_us"]),
            _number(row["times_us"]["op_alone"]["median"]),
            _number(row["floor"]["bytes"]),
            _number(row["floor"]["special_functions"]),
            _number(row["times_us"]["plain_chain"]["median"]),
            _number(row["published_chain_us"], 0),
            _number(row["published_chain_over_ours"]),
        )
        for row in _rows(record, "op_timing")
    ]
    head = (
        "shape",
        "batch",
        "ours us",
        "predicted",
        "op alone",
        "floor: bytes",
        "floor: special",
        "plain chain",
        "published",
        "x",
    )
    return _aligned("The op with its x_proj product", head, rows)


def _kernels(record: Json) -> str:
    rows = [
        (
            row["shape"],
            str(row["batch"]),
            plain_name(row["kernel"]),
            f"{row['launches_per_call']:g}",
            _number(row["us_per_call"]),
            _number(row["predicted_us"]),
        )
        for row in _rows(record, "kernel_times")
    ]
    head = ("shape", "batch", "kernel", "launches", "us a call", "predicted")
    return _aligned("The op's kernels", head, rows)


def _networks(record: Json) -> str:
    rows = [
        (
            row["model"],
            row["runtime"],
            row["precision"],
            str(row["batch"]),
            _number(row["images_per_s"], 0),
            _number(row["ms_per_image"], 3),
            f"{row['nmse']:.0e}" + ("" if row["agrees"] else " TOO FAR"),
        )
        for stage in NETWORK_STAGES
        for row in _rows(record, stage)
    ]
    head = ("model", "runtime", "precision", "batch", "images/s", "ms/image", "NMSE to fp32")
    return _aligned("Networks", head, rows)


def _resolutions(record: Json) -> str:
    rows = [
        (f"{row['width']}x{row['height']}", str(row["batch"]), _number(row["ns_per_pixel"], 2))
        for row in _rows(record, "high_resolution")
    ]
    return _aligned("Cost per pixel", ("image", "batch", "ns"), rows)


def _bars(record: Json) -> str:
    verdicts = {True: "pass", False: "MISSED", None: "not measured"}
    return _aligned("Bars", ("bar", "wanted", "measured", ""), list(_bar_rows(record, verdicts)))


def _bar_rows(
    record: Json, verdicts: dict[bool | None, str]
) -> Iterator[tuple[str, str, str, str]]:
    for bar in record.get("bars", []):
        measured = "-" if bar["measured"] is None else f"{bar['measured']:.3g}"
        yield bar["name"], bar["wanted"], measured, verdicts[bar["passed"]]
