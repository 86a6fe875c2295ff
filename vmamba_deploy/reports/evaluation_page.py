"""evaluation.html: one file that opens offline."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from vmamba_deploy.evaluation.intervals import images, percent
from vmamba_deploy.evaluation.report_data import EvaluationReport
from vmamba_deploy.reports.columns import figure
from vmamba_deploy.reports.evaluation_views import view_of
from vmamba_deploy.reports.html_file import page_template, size
from vmamba_deploy.reports.machine import describe_machine, tool_versions

SKIPPED_SHOWN = 50


def render_evaluation(report: EvaluationReport[Any]) -> str:
    """The page, with style, drawing and thumbnails inside; every value is escaped."""
    from markupsafe import Markup

    from vmamba_deploy.reports.evaluation_plots import latency_svg

    view, timing = view_of(report), report.summary.timing
    filters: dict[str, Callable[..., Any]] = {
        "figure": figure,
        "size": size,
        "images": images,
        "ms": milliseconds,
        "rate": rate,
        "percent": share_or_dash,
    }
    return page_template(view.template, filters).render(
        report=report,
        summary=report.summary,
        headline=headline(report),
        thresholds=view.thresholds(report),
        thumbnails={one.index: one.uri for one in report.thumbnails},
        # matplotlib escapes the labels in the SVG that it writes.
        latency=Markup(latency_svg(timing)) if timing is not None else None,
        skipped=report.summary.skipped[:SKIPPED_SHOWN],
        machine=describe_machine(),
        tools=tool_versions(),
        **view.context(report),
    )


def headline(report: EvaluationReport[Any]) -> str:
    """One sentence: what was measured, or what missed its threshold."""
    if report.shortfalls:
        return "; ".join(report.shortfalls)
    return view_of(report).headline(report)


def share_or_dash(value: float | None) -> str:
    """In percent, rounded down; a dash where nothing is known."""
    return percent(float("nan") if value is None else value)


def milliseconds(value: float) -> str:
    """Milliseconds in three digits."""
    return f"{value:.3g} ms" if value < 1000 else f"{value:.0f} ms"


def rate(value: float) -> str:
    """Images per second: whole ones from a hundred on; a dash where no time was measured."""
    if not math.isfinite(value):
        return "\N{EN DASH}"
    return f"{value:,.0f}/s" if value >= 100 else f"{value:.3g}/s"
