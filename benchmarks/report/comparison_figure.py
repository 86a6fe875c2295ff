"""Published accuracy over the time of an image: a panel for each runtime."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from benchmarks.compare.targets import SIDE, row_of
from benchmarks.report.comparison import TITLES
from vmamba_deploy.reports.plots import COLOURS

Json = dict[str, Any]
_BATCH = 1
_LINES = {"fp32": ("o", "-"), "int8": ("^", ":")}


def accuracy_over_time(record: Json) -> Figure:
    """Sizes of a family are one line, solid in fp32 and dotted in INT8."""
    runtimes = record["runtimes"]
    figure = Figure(figsize=(5 * len(runtimes), 4.6), layout="constrained")
    families = dict.fromkeys(told["family"] for told in record["networks"].values())
    colours = dict(zip(families, COLOURS * len(families), strict=False))
    for axes, runtime in zip(
        figure.subplots(1, len(runtimes), sharey=True, squeeze=False)[0], runtimes, strict=True
    ):
        for precision in _LINES:
            _draw(axes, record, runtime, precision, colours)
        axes.set_xscale("log")
        axes.set_title(TITLES.get(runtime, runtime), loc="left")
        axes.set_xlabel(f"ms an image, {SIDE} x {SIDE}, batch {_BATCH}")
    figure.axes[0].set_ylabel("top-1 as published (fp32), %")
    marks = {text.get_label(): text for axes in figure.axes for text in axes.lines}
    shown = {label: line for label, line in marks.items() if not label.startswith("_")}
    figure.legend(shown.values(), shown.keys(), fontsize=8, ncols=7, loc="outside upper left")
    return figure


def _draw(
    axes: Any, record: Json, runtime: str, precision: str, colours: Mapping[str, str]
) -> None:
    marker, style = _LINES[precision]
    for family, colour in colours.items():
        points = []
        for name, told in record["networks"].items():
            row = row_of(record, name, runtime, precision, _BATCH)
            if told["family"] == family and row is not None:
                points.append((row["ms"]["median"], told["top1"], name))
        points.sort()
        label = f"{family} {precision}" if points else None
        axes.plot(
            [ms for ms, _, _ in points],
            [top1 for _, top1, _ in points],
            marker=marker,
            linestyle=style,
            color=colour,
            label=label,
        )
        if precision == "fp32":
            for ms, top1, name in points:
                axes.annotate(
                    name, (ms, top1), xytext=(4, -9), textcoords="offset points", fontsize=6
                )
