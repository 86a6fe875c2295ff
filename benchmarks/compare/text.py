"""The comparison as text for a terminal."""

from __future__ import annotations

from typing import Any

from benchmarks.gpu_check.targets import text_of_targets
from benchmarks.texts import spread_text

Json = dict[str, Any]


def group_text(group: Json) -> str:
    """A contender at one size of image: a line for each runtime, precision and batch size."""
    head = (
        f"{group['network']} {group['side']}: {group['parameters'] / 1e6:.1f} M parameters, "
        f"{group['multiply_adds'] / 1e9:.2f} G multiply-adds"
    )
    lines = [head, *(_row_text(row) for row in group["rows"])]
    for kind in ("absent", "failed"):
        lines += [
            f"  {row['runtime']:<22}{row['precision']:<6}{kind}: {row['reason']}"
            for row in group[kind]
        ]
    return "\n".join(lines)


def _row_text(row: Json) -> str:
    text = (
        f"  {row['runtime']:<22}{row['precision']:<6}batch {row['batch']:<3}"
        f"{spread_text(row['ms'], 1)} ms  {row['images_per_s']:.1f} images/s  "
        f"{row['peak_bytes'] / 1e6:.0f} MB"
    )
    if "over_yardstick" in row:
        text += f"  {spread_text(row['over_yardstick'], 2)}x the yardstick"
    return text


def bars_text(record: Json) -> str:
    """What was asked for, and how much others had of the machine meanwhile."""
    busy = record["busy_cores"]
    others = f"{spread_text(busy, 2)} of {record['cores']}" if busy else "not looked at"
    return f"{text_of_targets(record['bars'])}\ncores busy with other work: {others}"
