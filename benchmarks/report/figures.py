"""The figures of the pages as SVG, drawn from the kept results."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.gpu_check.targets import FLATNESS
from benchmarks.network_floor import SECTIONS
from benchmarks.network_ops import KINDS
from benchmarks.report.comparison_figure import accuracy_over_time
from benchmarks.report.results import Json, Results
from vmamba_deploy.reports.plots import COLOURS
from vmamba_deploy.reports.svg_file import save_svg

_CHAIN, _OURS, _FLOOR = "reference chain, same run", "ours", "floor"
_OP_COLOURS = {_CHAIN: COLOURS[6], _OURS: COLOURS[0], _FLOOR: COLOURS[2]}


def draw_figures(results: Results, op_rows: Sequence[Json], folder: Path) -> list[Path]:
    """Draw what there are results for; returns the files."""
    figures = {"op_times.svg": op_times(op_rows)}
    if results.floor:
        figures["network_floor.svg"] = network_floor(results.floor)
    if results.cpu_op or results.result("resolutions"):
        figures["cost_per_pixel.svg"] = cost_per_pixel(results)
    if results.comparison:
        figures["comparison.svg"] = accuracy_over_time(results.comparison)
    for name, figure in figures.items():
        save_svg(figure, folder / name)
    return [folder / name for name in figures]


def op_times(rows: Sequence[Json]) -> Figure:
    """Per shape and batch: the reference chain, ours and the floor; of what was measured."""
    batches = sorted({row["batch"] for row in rows}, reverse=True)
    figure = Figure(figsize=(9, 6), layout="constrained")
    for axes, batch in zip(figure.subplots(len(batches), 1), batches, strict=True):
        chosen = [row for row in rows if row["batch"] == batch]
        series = _op_series(chosen)
        width = 0.8 / len(series)
        for number, (label, values) in enumerate(series.items()):
            places = [i + (number - (len(series) - 1) / 2) * width for i in range(len(chosen))]
            axes.bar(places, values, width, label=label, color=_OP_COLOURS[label])
        axes.set_yscale("log")
        axes.set_ylabel("microseconds")
        axes.set_title(f"batch {batch}", loc="left")
        axes.set_xticks(range(len(chosen)), [row["shape"] for row in chosen], fontsize=7)
    largest = max(figure.axes, key=lambda axes: len(axes.containers))
    handles, labels = largest.get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=8, ncols=3, loc="outside upper right")
    return figure


def _op_series(rows: Sequence[Json]) -> dict[str, list[float]]:
    """Gaps where a shape has no time, no series where none has."""
    series = {
        label: [row[name]["median"] if row[name] else math.nan for row in rows]
        for label, name in ((_CHAIN, "chain"), (_OURS, "ours"))
        if any(row[name] for row in rows)
    }
    return series | {_FLOOR: [row["floor"]["larger"] for row in rows]}


def network_floor(floor: Json) -> Figure:
    """Stacked by kind, a bar per part of the network; what was measured beside its floor."""
    batches = floor["batches"]
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for axes, (batch, floors) in zip(
        figure.subplots(1, len(batches), squeeze=False)[0], batches.items(), strict=True
    ):
        measured = floors["measured_us"]
        width = 0.4 if measured else 0.7
        _stack(axes, floors["floor_us"], -width / 2 if measured else 0.0, width, hatch=None)
        if measured:
            _stack(axes, measured, width / 2, width, hatch="//")
        axes.set_xticks(range(len(SECTIONS)), SECTIONS, fontsize=8)
        axes.set_title(f"batch {batch}" + (", hatched: measured" if measured else ""), loc="left")
        axes.set_ylabel("microseconds")
    figure.axes[0].legend(fontsize=8)
    return figure


def _stack(
    axes: Any, cells: dict[str, dict[str, float]], shift: float, width: float, *, hatch: str | None
) -> None:
    places = [i + shift for i in range(len(SECTIONS))]
    bottom = [0.0] * len(SECTIONS)
    for kind, colour in zip(KINDS, COLOURS, strict=False):
        values = [cells[name][kind] for name in SECTIONS]
        label = None if hatch else kind
        axes.bar(places, values, width, bottom=bottom, label=label, color=colour, hatch=hatch)
        bottom = [low + value for low, value in zip(bottom, values, strict=True)]


def cost_per_pixel(results: Results) -> Figure:
    """Cost per pixel at each size of image, each curve relative to its first point."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    axes.set_prop_cycle(color=COLOURS)
    if results.cpu_op:
        rows = results.cpu_op["resolutions"]
        _curve(axes, rows, [row["ns_per_pixel"]["median"] for row in rows], "the op on a CPU")
    gpu_rows = results.result("resolutions").get("rows", [])
    for full, label in ((True, "a full batch"), (False, "one image, fills the GPU in part")):
        rows = [row for row in gpu_rows if row["full_batch"] is full]
        if rows:
            costs = [row["ns_per_pixel"] for row in rows]
            _curve(axes, rows, costs, f"VMamba-T on a GPU, {label}")
    axes.axhspan(1 / FLATNESS, FLATNESS, color=COLOURS[6], alpha=0.25, zorder=0, label="within 25%")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("image")
    axes.set_ylabel("cost per pixel, relative")
    figure.legend(fontsize=8, ncols=2, loc="outside upper left")
    return figure


def _curve(axes: Any, rows: Sequence[Json], costs: Sequence[float], label: str) -> None:
    sizes = [f"{row['width']} x {row['height']}" for row in rows]
    axes.plot(sizes, [cost / costs[0] for cost in costs], marker="o", label=label)
