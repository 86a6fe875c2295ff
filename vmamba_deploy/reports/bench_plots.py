"""Histograms of latencies as inline SVG, coloured by the page's style."""

from __future__ import annotations

import math

from vmamba_deploy.reports.plots import COLOURS, INK, inline_svg, svg_style
from vmamba_deploy.timing.latencies import LatencyStatistics

_FEWEST, _MOST = 6, 40
_WIDE = 10.0
"""The slowest call over the fastest from which on the axis is logarithmic."""


def histogram_svg(times: LatencyStatistics) -> str:
    """Draw how many calls took how long, with the median and the 99th percentile."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    edges = bin_edges(times)
    with svg_style():
        figure = Figure(figsize=(4.6, 2.3), layout="constrained")
        axes = figure.subplots()
        values, calls = times.histogram.milliseconds, times.histogram.calls
        axes.hist(list(values), bins=edges, weights=list(calls), color=COLOURS[0])
        for value, line in ((times.p50_ms, "-"), (times.p99_ms, "--")):
            axes.axvline(value, color=COLOURS[1], linewidth=1.4, linestyle=line)
        if is_wide(times):
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=8))
            axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:g}"))
        axes.set_xlabel("ms")
        axes.set_ylabel("calls")
        axes.grid(axis="y", alpha=0.25, color=INK)
        axes.spines[["top", "right"]].set_visible(False)
        return inline_svg(figure)


def is_wide(times: LatencyStatistics) -> bool:
    """Whether a few calls took so long that the others would be one bar."""
    return times.max_ms > _WIDE * times.min_ms


def bin_edges(times: LatencyStatistics) -> list[float]:
    """Edges of bars around every call, ascending; more of them for more calls (Rice's rule).

    They are of equal width on the axis that is drawn, linear or logarithmic.
    """
    count = min(max(math.ceil(2 * times.calls ** (1 / 3)), _FEWEST), _MOST)
    # One time alone has a width too, and no bar is narrower than what a latency is known to.
    least = times.min_ms * (1 - 1e-3)
    most = max(times.max_ms * (1 + 1e-3), least * (1 + 2e-3 * count))
    places = [place / count for place in range(count + 1)]
    if is_wide(times):
        return [least * (most / least) ** place for place in places]
    return [least + (most - least) * place for place in places]
