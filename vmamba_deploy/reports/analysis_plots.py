"""The figures of the analyses as SVG files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vmamba_deploy.analysis.receptive_field import centre_of
from vmamba_deploy.reports.plots import COLOURS, short
from vmamba_deploy.reports.svg_file import save_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from vmamba_deploy.analysis.receptive_field import Field
    from vmamba_deploy.analysis.resolution import SizeCurve, SizeFigures
    from vmamba_deploy.reports.analysis import FieldFacts, ResolutionReport

_DECADES = 4
"""Of the largest contribution, below which a pixel is drawn as none."""
_LARGEST_MAP = 128


def draw_receptive_fields(fields: Mapping[FieldFacts, Field], path: Path) -> None:
    """Draw a map for each network, logarithmic, with the circles of its extents.

    Args:
        fields: contributions [H, W], by what they are of.
        path: of the SVG file.
    """
    from matplotlib.figure import Figure

    columns = min(len(fields), 4)
    rows = -(-len(fields) // columns)
    figure = Figure(figsize=(2.6 * columns, 3.0 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (facts, field) in zip(grid, fields.items(), strict=False):
        image = _draw_field(axes, facts, field)
    for axes in grid[len(fields) :]:
        axes.set_visible(False)
    bar = figure.colorbar(image, ax=[*grid], shrink=0.7, aspect=30)
    bar.set_label("contribution, log10 of the largest's share", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    save_svg(figure, path)


def _draw_field(axes: Axes, facts: FieldFacts, field: Field) -> Any:
    from matplotlib.patches import Circle

    height, width = field.shape
    small = _shrunk(field)
    shown = np.log10(np.maximum(small / small.max(), 10.0**-_DECADES))
    image = axes.imshow(
        shown,
        interpolation="none",
        cmap="viridis",
        vmin=-_DECADES,
        vmax=0,
        extent=(0, width, height, 0),
    )
    down, right = centre_of(field.shape, facts.map_size)
    for extent in facts.extents:
        if extent.share in (0.5, 0.95):
            reach = Circle((right, down), extent.radius_pixels, fill=False, color="white", lw=0.8)
            axes.add_patch(reach)
    axes.set_title(f"{short(facts.network)}\n{facts.state}", fontsize=8)
    axes.set_xticks([])
    axes.set_yticks([])
    return image


def _shrunk(field: Field) -> Field:
    """Means of blocks of pixels, so that the file stays small."""
    factor = -(-max(field.shape) // _LARGEST_MAP)
    height, width = (side // factor * factor for side in field.shape)
    blocks = field[:height, :width].reshape(height // factor, factor, width // factor, factor)
    return np.asarray(blocks.mean(axis=(1, 3)))


def draw_resolutions(report: ResolutionReport, path: Path) -> None:
    """Draw times, memory, multiply-adds and, where measured, accuracy over pixels."""
    from matplotlib.figure import Figure

    panels: list[tuple[str, Callable[[SizeFigures], float]]] = [
        ("milliseconds an image; dotted: the floor", lambda one: one.median_ms),
        ("milliseconds of CPU an image", lambda one: one.cpu_ms),
        ("memory of the model, MB", lambda one: one.model_bytes / 1e6),
        ("multiply-adds, G", lambda one: one.multiply_adds / 1e9),
    ]
    rows, columns = (2, 3) if report.images else (2, 2)
    figure = Figure(figsize=(3.9 * columns, 5.6), layout="constrained")
    grid = figure.subplots(rows, columns).ravel()
    for axes, (title, value) in zip(grid, panels, strict=False):
        for colour, curve in zip(COLOURS, report.curves, strict=False):
            _draw_curve(axes, curve.figures, value, label=curve.network, color=colour)
        axes.set_yscale("log")
        axes.set_title(title, fontsize=9, loc="left")
    for colour, curve in zip(COLOURS, report.curves, strict=False):
        style = {"color": colour, "linestyle": ":", "marker": ""}
        _draw_curve(grid[0], curve.figures, lambda one: one.floor_ms, **style)
    if report.images:
        _draw_accuracy(grid[4], report.curves)
    for axes in grid[: 4 + bool(report.images)]:
        _label_sides(axes, report.curves[0].figures)
    for axes in grid[4 + bool(report.images) :]:
        axes.set_visible(False)
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=8, ncols=2, frameon=False, loc="outside upper left")
    save_svg(figure, path)


def _draw_curve(
    axes: Axes,
    figures: Sequence[SizeFigures],
    value: Callable[[SizeFigures], float],
    **style: Any,
) -> None:
    axes.plot(
        [one.side**2 for one in figures],
        [value(one) for one in figures],
        **{"marker": "o", "markersize": 3.5, "linewidth": 1.4, **style},
    )


def _draw_accuracy(axes: Axes, curves: Sequence[SizeCurve]) -> None:
    for colour, curve in zip(COLOURS, curves, strict=False):
        known = [one for one in curve.figures if one.top1 is not None]
        _draw_curve(axes, known, lambda one: 100 * one.top1.share if one.top1 else 0, color=colour)
    axes.set_title("top-1 accuracy, %", fontsize=9, loc="left")


def _label_sides(axes: Axes, figures: Sequence[SizeFigures]) -> None:
    axes.set_xscale("log")
    axes.set_xticks([one.side**2 for one in figures], [str(one.side) for one in figures])
    axes.xaxis.minorticks_off()
    axes.tick_params(which="both", labelsize=7)
    axes.set_xlabel("side of the image, pixels; the axis is its area", fontsize=8)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
