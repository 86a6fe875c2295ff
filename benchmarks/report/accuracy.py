"""What docs/accuracy.md is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.report.results import Json
from benchmarks.texts import accuracy_text, interval_text

TITLES = {
    "fashion": "Fashion-MNIST: ten kinds of clothes",
    "digits": "Handwritten digits",
}


def values(reports: Mapping[str, Json]) -> dict[str, Any]:
    """What the page's template is given: the kept results by the sample's name, and its tables."""
    return {
        "reports": reports,
        "titles": TITLES,
        "table": accuracy_text,
        "interval": interval_text,
    }
