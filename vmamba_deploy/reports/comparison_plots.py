"""Plots of a comparison: how far logits are apart, and the error by input and by layer."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from vmamba_deploy.parity.metrics import Metrics
from vmamba_deploy.reports.plots import (
    COLOURS,
    FLOOR,
    INK,
    inline_svg,
    short,
    short_name,
    svg_style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

    from vmamba_deploy.parity.differences import DifferenceHistogram
    from vmamba_deploy.parity.results import RunResult
    from vmamba_deploy.reports.model import LayerSeries

_CELL_INCHES = 0.34
_LETTERS_ABREAST = 90


def differences_svg(histograms: Sequence[DifferenceHistogram], limit: float) -> str:
    """Draw how many logits differ by how much, a line for each runtime, and the limit.

    Args:
        histograms: one or more.
        limit: of `max_spread`.
    """
    from matplotlib.figure import Figure

    with svg_style():
        figure = Figure(figsize=(9.0, 3.6), layout="constrained")
        axes = figure.subplots()
        for colour, one in zip(itertools.cycle(COLOURS), histograms, strict=False):
            shown = sum(one.counts) + one.equal
            label = f"{one.runtime}, {one.equal:,} of {shown:,} equal"
            axes.stairs(one.counts, one.edges, color=colour, linewidth=1.6, label=label)
        filled = [
            edge
            for one in histograms
            for count, edge in zip(one.counts, one.edges, strict=False)
            if count
        ]
        axes.axvline(limit, color=INK, linestyle="--", linewidth=1, label="limit")
        axes.set_xscale("log")
        axes.set_xlim(min([*filled, limit]) / 3, max([*filled, limit]) * 6)
        axes.set_xlabel("difference of a logit from PyTorch fp32, in spreads of the logits")
        axes.set_ylabel("logits")
        _finish(figure, axes)
        return inline_svg(figure)


def input_errors_svg(runs: Sequence[RunResult], reference: str = "PyTorch fp32") -> str | None:
    """Draw the NMSE on each input set, a line for each runtime that ran, an engine with them.

    Sets of images of one colour are left out: they have limits of their own. None where answers
    have no NMSE.
    """
    from matplotlib.figure import Figure

    lines = {
        run.runtime: {
            one.name: one.metrics.nmse
            for one in run.inputs
            if isinstance(one.metrics, Metrics) and not one.flat
        }
        for run in runs
    }
    lines = {runtime: line for runtime, line in lines.items() if line}
    if not lines:
        return None
    names = list(dict.fromkeys(name for line in lines.values() for name in line))
    with svg_style():
        figure = Figure(figsize=(9.0, 3.6), layout="constrained")
        axes = figure.subplots()
        for colour, (runtime, line) in zip(itertools.cycle(COLOURS), lines.items(), strict=False):
            points = [(names.index(name), max(nmse, FLOOR)) for name, nmse in line.items()]
            finite = [point for point in points if math.isfinite(point[1])]
            places, errors = [x for x, _ in finite], [y for _, y in finite]
            axes.plot(places, errors, "o-", color=colour, label=runtime, markersize=4)
        axes.axhline(runs[0].thresholds.nmse, color=INK, linestyle="--", linewidth=1, label="limit")
        axes.set_yscale("log")
        axes.set_ylabel(f"NMSE against {reference}")
        upright = 90 if sum(map(len, names)) > _LETTERS_ABREAST else 0
        axes.set_xticks(range(len(names)), map(short, names), fontsize=8, rotation=upright)
        axes.margins(x=0.04)
        _finish(figure, axes)
        return inline_svg(figure)


def _finish(figure: Figure, axes: Axes) -> None:
    axes.grid(axis="y", alpha=0.25, color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(frameon=False, loc="outside upper left", ncols=2, fontsize=9)


def layer_heat_svg(series: LayerSeries) -> str | None:
    """Draw the NMSE of each layer on each input as colours; None where inputs were not measured.

    A layer that is NaN is crossed out.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

    values = [max(nmse, FLOOR) for one in series.inputs for nmse in one.nmse if nmse == nmse]
    if not values:
        return None
    norm = LogNorm(min(values), max([*values, min(values) * 10]))
    shades = ScalarMappable(norm, "viridis")
    rows, columns = len(series.inputs), len(series.errors)
    with svg_style():
        size = (max(7.0, 2.4 + _CELL_INCHES * columns), 1.7 + _CELL_INCHES * rows)
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots()
        for y, one in enumerate(series.inputs):
            for x, nmse in enumerate(one.nmse):
                _draw_cell(axes, (x, y), nmse, shades)
        axes.set_xlim(-0.5, columns - 0.5)
        axes.set_ylim(rows - 0.5, -0.5)
        names = [short_name(error.layer) for error in series.errors]
        axes.set_xticks(range(columns), names, rotation=90, fontsize=8)
        axes.set_yticks(range(rows), [one.name for one in series.inputs])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        figure.colorbar(shades, ax=axes, label="NMSE", pad=0.01, drawedges=False)
        return inline_svg(figure)


def _draw_cell(axes: Axes, place: tuple[int, int], nmse: float, shades: ScalarMappable) -> None:
    from matplotlib.patches import Rectangle

    x, y = place
    if math.isnan(nmse):
        axes.text(x, y, "\N{MULTIPLICATION SIGN}", ha="center", va="center", color=COLOURS[4])
        return
    (colour,) = shades.to_rgba(np.array([max(nmse, FLOOR)]))
    axes.add_patch(Rectangle((x - 0.47, y - 0.45), 0.94, 0.9, color=colour, linewidth=0))
