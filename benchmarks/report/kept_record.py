"""A record of `make gpu-check` without what the page does not show."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.gpu_check.bars import judge

Json = dict[str, Any]
_RANDOM = "random"  # what the kind of a random shape begins with


def slim(record: Json) -> Json:
    """A copy: no output of what passed, accuracy as the worst of each pair of dtypes."""
    parts = {
        name: part
        | {"commands": {name: _slim_command(row) for name, row in part["commands"].items()}}
        for name, part in record["parts"].items()
    }
    library = {key: value for key, value in record.get("library", {}).items() if key != "folder"}
    made = record | {"parts": parts, "library": library}
    return made | {"bars": judge(made)}


def _slim_command(row: Json) -> Json:
    dropped = set() if row["status"] in ("failed", "timeout") else {"tail"}
    kept = {key: value for key, value in row.items() if key not in dropped}
    kept["arguments"] = [_without_folder(word) for word in row.get("arguments", [])]
    if kept.get("tests"):
        kept["tests"] = kept["tests"] | {"rows": slim_rows(kept["tests"]["rows"])}
    return kept


def _without_folder(word: str) -> str:
    """An argument without the folders of the machine that it was made on."""
    option, equals, path = word.rpartition("=")
    return f"{option}{equals}{Path(path).name}" if path.startswith("/") else word


def slim_rows(rows: Iterable[Json]) -> list[Json]:
    """Errors against float64 as one row for each pair of dtypes; other rows as they are.

    A row so made is left alone, so that a kept record can be kept again.
    """
    pairs: dict[tuple[str, str], list[Json]] = {}
    others = []
    for row in rows:
        if "relative" in row and "cases" not in row:
            pairs.setdefault((_dtype(row["x"]), _dtype(row["y"])), []).append(row)
        else:
            others.append(row)
    return others + [_worst(x, y, same) for (x, y), same in pairs.items()]


def _dtype(name: str) -> str:
    return name.removeprefix("torch.")


def _worst(x: str, y: str, rows: list[Json]) -> Json:
    """Of each error the largest of the rows; `kind` is the case with the largest relative one."""
    worst = max(rows, key=lambda row: float(row["relative"]))
    return {
        "x": x,
        "y": y,
        "cases": len(rows),
        "random": sum(row.get("kind", "").startswith(_RANDOM) for row in rows),
        "failed": sum(not row.get("passed", True) for row in rows),
        **{name: max(row[name] for row in rows) for name in ("relative", "nmse", "largest")},
        "kind": worst.get("kind") or _sizes(worst),
        "equal_bits": all(row.get("equal_bits", True) for row in rows),
    }


def _sizes(row: Json) -> str:
    """Such as `2 x 28 x 28 x 192, N 1, R 12`, of a row whose case has no name."""
    dims = row.get("dims")
    if not dims:
        return "-"
    extent = " x ".join(str(dims[name]) for name in ("batch", "height", "width", "channels"))
    return f"{extent}, N {dims['state']}, R {dims['rank']}"
