"""Histograms of latencies as inline SVG, coloured by the page's style."""

from __future__ import annotations

import math

from vmamba_deploy.reports.plots import COLOURS, INK, inline_svg, svg_style
from vmamba_deploy.timing.latencies import LatencyStatistics

_FEWEST, _MOST = 6, 40
_TAIL = 1.5
"""Calls that took so many times the 99th percentile are counted in the last bar."""


def histogram_svg(times: LatencyStatistics) -> str:
    """Draw how many calls took how long, with the median and the 99th percentile.

    The few that took far longer than the others are counted in the last bar, whose label says so.
    """
    from matplotlib.figure import Figure

    edges = bin_edges(times)
    clipped = [min(one, edges[-1]) for one in times.histogram.milliseconds]
    with svg_style():
        figure = Figure(figsize=(4.6, 2.3), layout="constrained")
        axes = figure.subplots()
        axes.hist(clipped, bins=edges, weights=list(times.histogram.calls), color=COLOURS[0])
        for value, line in ((times.p50_ms, "-"), (times.p99_ms, "--")):
            axes.axvline(value, color=COLOURS[1], linewidth=1.4, linestyle=line)
        beyond = times.max_ms > edges[-1]
        axes.set_xlabel(f"ms, the slowest {times.max_ms:.3g}" if beyond else "ms")
        axes.set_ylabel("calls")
        axes.grid(axis="y", alpha=0.25, color=INK)
        axes.spines[["top", "right"]].set_visible(False)
        return inline_svg(figure)


def bin_edges(times: LatencyStatistics) -> list[float]:
    """Edges of bars of equal width, more of them for more calls (Rice's rule), ascending."""
    count = min(max(math.ceil(2 * times.calls ** (1 / 3)), _FEWEST), _MOST)
    # One time alone has a width too, and no bar is narrower than what a latency is known to.
    least = times.min_ms * (1 - 1e-3)
    most = max(min(times.max_ms, _TAIL * times.p99_ms), least + count * 2e-3 * times.min_ms)
    return [least + (most - least) * place / count for place in range(count + 1)]
