"""The kept predictions of the op's time, by shape and batch size."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.kernel_model.measured import same_gpu

PREDICTIONS = Path(__file__).parent / "results" / "kernel_times_predicted.json"


def kept_predictions(gpu: str, path: Path = PREDICTIONS) -> dict[tuple[str, int], float]:
    """Microseconds of x_proj and the op on a GPU of this name; {} where none were kept for it."""
    if not path.is_file():
        return {}
    return predictions_for(gpu, json.loads(path.read_text()).get("predictions", []))


def predictions_for(gpu: str, rows: Iterable[Mapping[str, Any]]) -> dict[tuple[str, int], float]:
    """The same from rows that the kernel model wrote."""
    return {
        (row["shape"], int(row["batch"])): float(row["total_us"])
        for row in rows
        if same_gpu(gpu, row["gpu"])
    }
