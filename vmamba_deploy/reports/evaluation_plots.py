"""Plots of an evaluation as inline SVG, narrow enough for a phone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vmamba_deploy.reports.plots import COLOURS, INK, inline_svg, svg_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from vmamba_deploy.evaluation.calibration import Calibration
    from vmamba_deploy.evaluation.timing import Timing

_BARS, _MARKS = COLOURS[0], COLOURS[1]


def calibration_svg(calibration: Calibration) -> str:
    """Draw a reliability diagram: accuracy against the probability of top-1, and images below."""
    from matplotlib.figure import Figure

    with svg_style():
        figure = Figure(figsize=(5.4, 5.2), layout="constrained")
        upper, lower = figure.subplots(2, sharex=True, height_ratios=(3.2, 1))
        known = [one for one in calibration.bins if one.images]
        places = [one.low for one in known]
        width = calibration.bins[0].high - calibration.bins[0].low
        upper.bar(places, [one.accuracy for one in known], width, align="edge", **_bar())
        upper.plot([0, 1], [0, 1], "--", color=INK, linewidth=1, label="accuracy = probability")
        upper.plot(
            [one.probability for one in known],
            [one.accuracy for one in known],
            "o",
            color=_MARKS,
            markersize=4,
            label="mean of the bin",
        )
        upper.set_ylabel("accuracy")
        upper.set_ylim(0, 1.02)
        upper.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, fontsize=9)
        lower.bar(places, [one.images for one in known], width, align="edge", **_bar())
        _count_images(lower)
        lower.set_xlabel("probability of the top-1 class")
        lower.set_xlim(0, 1)
        for axes in (upper, lower):
            _tidy(axes)
        return inline_svg(figure)


def latency_svg(timing: Timing) -> str:
    """Draw how many images took how long in the artefact, with p50, p90 and p99 as lines."""
    from matplotlib.figure import Figure

    histogram, inference = timing.histogram, timing.inference
    with svg_style():
        figure = Figure(figsize=(5.6, 2.7), layout="constrained")
        axes = figure.subplots()
        axes.stairs(histogram.counts, histogram.edges, fill=True, **_bar())
        lines = {"p50": inference.p50, "p90": inference.p90, "p99": inference.p99}
        for (name, value), style in zip(lines.items(), ("-", "--", ":"), strict=True):
            label = f"{name} {value:.3g} ms"
            axes.axvline(value, color=_MARKS, linestyle=style, linewidth=1.4, label=label)
        axes.set_xlabel("milliseconds per image")
        axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=3, fontsize=9)
        _count_images(axes)
        _tidy(axes)
        return inline_svg(figure)


def _bar() -> dict[str, Any]:
    return {"color": _BARS, "alpha": 0.75, "linewidth": 0}


def _count_images(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_ylabel("images")
    axes.yaxis.set_major_locator(MaxNLocator("auto", integer=True))


def _tidy(axes: Axes) -> None:
    axes.grid(axis="y", alpha=0.25, color=INK)
    axes.spines[["top", "right"]].set_visible(False)
