"""Manifests that no reader may take: tests/data/bad_manifests.json, for Python and C++.

Each row changes tests/data/manifests/engine.json, or the file beside it that it is `of`: the value
`at` a place, what is `without` a place, or its text, `old` to `new`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_DATA = Path(__file__).parents[1] / "data"
GOOD_ONES = {
    name: (_DATA / "manifests" / f"{name}.json").read_text()
    for name in ("engine", "no_engine", "segmentation", "detection", "quantized", "calibrated")
}
GOOD = GOOD_ONES["engine"]
ROWS: dict[str, dict[str, Any]] = {
    row["why"]: row for row in json.loads((_DATA / "bad_manifests.json").read_text())
}


def bad_manifest(why: str) -> str:
    """The text of the manifest of a row."""
    row = ROWS[why]
    good = GOOD_ONES[row.get("of", "engine")]
    if "old" in row:
        assert good.count(row["old"]) >= 1
        return good.replace(row["old"], row["new"], 1)
    document = json.loads(good)
    *places, last = row.get("at") or row["without"]
    inner = document
    for place in places:
        inner = inner[place]
    if "at" in row:
        inner[last] = row["value"]
    else:
        del inner[last]
    return json.dumps(document)
