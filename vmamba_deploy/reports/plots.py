"""Plots of the reports as inline SVG, coloured by the page's style."""

from __future__ import annotations

import io
import itertools
import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from vmamba_deploy.reports.model import LayerSeries

INK = "#123456"
"""Colour of text and lines in the drawing; replaced by the page's own, light or dark."""
COLOURS = ("#2f6fdf", "#d17a22", "#1f9d6b", "#a855c7", "#c23b4b", "#0e8f9e", "#7d8590")
"""Of lines and areas; each has a contrast of 3 with a white page and with a dark one."""
FLOOR = 1e-18
"""Where an error of exactly zero is drawn on the logarithmic axis."""
_LONGEST_NAME = 22


def layer_error_svg(series: Sequence[LayerSeries]) -> str:
    """Draw NMSE against the layer, logarithmic, one line per runtime.

    A layer whose figure is NaN is marked at the top. The drawing holds no reference to any file or
    address, and takes its text colour from the element that it stands in.
    """
    from matplotlib.figure import Figure

    with svg_style():
        figure = Figure(figsize=(9.0, 4.2), layout="constrained")
        axes = figure.subplots()
        labels = [error.layer for error in max(series, key=lambda one: len(one.errors)).errors]
        for colour, one in zip(itertools.cycle(COLOURS), series, strict=False):
            _draw(axes, one, labels, colour)
        axes.set_yscale("log")
        axes.set_ylabel("NMSE against PyTorch fp32")
        axes.set_xticks(range(len(labels)), [short_name(label) for label in labels])
        axes.tick_params(axis="x", rotation=90, labelsize=8)
        axes.grid(axis="y", alpha=0.25, color=INK)
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.02)
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(0, 1.16), ncols=3)
        return inline_svg(figure)


def short_name(layer: str) -> str:
    """`layers.2.blocks.5` as `2.5`, `layers.0.downsample` as `0 down`, others as they are."""
    layer = layer.removeprefix("model.")
    block = re.fullmatch(r"layers\.(\d+)\.blocks\.(\d+)", layer)
    if block:
        return f"{block[1]}.{block[2]}"
    down = re.fullmatch(r"layers\.(\d+)\.downsample", layer)
    return f"{down[1]} down" if down else {"patch_embed": "stem"}.get(layer, layer)


def _draw(axes: Axes, series: LayerSeries, labels: list[str], colour: str) -> None:
    place = {label: index for index, label in enumerate(labels)}
    points = [(place[e.layer], e.nmse) for e in series.errors if e.layer in place]
    finite = [(x, max(y, FLOOR)) for x, y in points if math.isfinite(y)]
    broken = [x for x, y in points if not math.isfinite(y)]
    axes.plot(
        [x for x, _ in finite],
        [y for _, y in finite],
        marker="o",
        markersize=4,
        linewidth=1.6,
        color=colour,
        label=series.runtime,
    )
    if broken:
        axes.plot(
            broken,
            [0.98] * len(broken),
            "x",
            color=colour,
            transform=axes.get_xaxis_transform(),
            label=f"{series.runtime}: NaN",
        )
    if series.drift_nmse:
        axes.axhline(series.drift_nmse, color=colour, linestyle="--", linewidth=1, alpha=0.7)


def short(name: str) -> str:
    """A name that fits an axis."""
    if len(name) <= _LONGEST_NAME:
        return name
    return name[: _LONGEST_NAME - 1] + "\N{HORIZONTAL ELLIPSIS}"


def svg_style() -> Any:
    """A context in which drawings have the page's text colour and equal bytes every time."""
    import matplotlib as mpl

    ink = {f"{key}color": INK for key in ("text.", "axes.label", "xtick.", "ytick.")}
    return mpl.rc_context(
        ink
        | {
            "axes.edgecolor": INK,
            "font.size": 10,
            "svg.fonttype": "none",
            "font.family": "sans-serif",
            "svg.hashsalt": "vmamba",
        }
    )


def inline_svg(figure: Figure) -> str:
    """The drawing as an `<svg>` element; what was drawn in INK takes the colour of the text."""
    _write_powers_plainly(figure)
    buffer = io.StringIO()
    no_metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(buffer, format="svg", transparent=True, metadata=no_metadata)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    # Namespaces and the size in points are not wanted in HTML: the style scales the drawing.
    svg = re.sub(r'\s(xmlns(:\w+)?|version)="[^"]*"', "", svg)
    svg = re.sub(r'(<svg[^>]*?)\swidth="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?)\sheight="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    return svg.replace("xlink:href=", "href=")


def _write_powers_plainly(figure: Figure) -> None:
    """Label logarithmic axes `1e-06`: the usual powers are formulas, half of a drawing's time."""
    from matplotlib.ticker import LogFormatter, LogFormatterMathtext

    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        if isinstance(axis.get_major_formatter(), LogFormatterMathtext):
            axis.set_major_formatter(LogFormatter())
        if isinstance(axis.get_minor_formatter(), LogFormatterMathtext):
            axis.set_minor_formatter(LogFormatter())
