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
    return predictions_for(gpu, _rows(path))


def kept_kernel_predictions(
    gpu: str, path: Path = PREDICTIONS
) -> dict[tuple[str, int, str], float]:
    """The same of each kernel, all its launches of a call, by the kernel's plain name too."""
    times: dict[tuple[str, int, str], float] = {}
    for row in _rows(path):
        for launch in row["launches"] if same_gpu(gpu, row["gpu"]) else ():
            key = row["shape"], int(row["batch"]), plain_name(launch["kernel"])
            times[key] = times.get(key, 0.0) + float(launch["total_us"])
    return times


def plain_name(kernel: str) -> str:
    """`void vmamba::merge_routes<__half, true>(vmamba::ScanParams)` is `merge_routes`."""
    return kernel.partition("<")[0].partition("(")[0].split("::")[-1].split()[-1]


def _rows(path: Path) -> list[Mapping[str, Any]]:
    rows: list[Mapping[str, Any]] = []
    if path.is_file():
        rows = json.loads(path.read_text()).get("predictions", [])
    return rows


def predictions_for(gpu: str, rows: Iterable[Mapping[str, Any]]) -> dict[tuple[str, int], float]:
    """The same from rows that the kernel model wrote."""
    return {
        (row["shape"], int(row["batch"])): float(row["total_us"])
        for row in rows
        if same_gpu(gpu, row["gpu"])
    }
