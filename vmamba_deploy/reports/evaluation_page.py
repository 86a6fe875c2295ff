"""evaluation.html: one file that opens offline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vmamba_deploy.evaluation.intervals import Proportion, images, percent
from vmamba_deploy.evaluation.report_data import EvaluationReport
from vmamba_deploy.reports.columns import figure
from vmamba_deploy.reports.html_file import gib, page_template
from vmamba_deploy.reports.machine import describe_machine, tool_versions

SKIPPED_SHOWN = 50


def render_evaluation(report: EvaluationReport) -> str:
    """The page, with style, drawing and thumbnails inside; every value is escaped."""
    from markupsafe import Markup

    from vmamba_deploy.reports.plots import confusion_svg

    filters: dict[str, Callable[..., Any]] = {
        "figure": figure,
        "gib": gib,
        "images": images,
        "share": share,
        "interval": interval,
        "ms": milliseconds,
        "class": lambda index: class_name(report, index),
    }
    confusion = report.summary.confusion
    # matplotlib escapes the labels in the SVG that it writes.
    drawing = (
        Markup(confusion_svg(confusion, lambda index: class_name(report, index)))
        if confusion is not None
        else None
    )
    by_index = {one.index: one for one in report.summary.classes}
    return page_template("evaluation.html.j2", filters).render(
        report=report,
        summary=report.summary,
        headline=headline(report),
        worst=[by_index[index] for index in report.summary.worst],
        skipped=report.summary.skipped[:SKIPPED_SHOWN],
        plot=drawing,
        thumbnails={one.index: one.uri for one in report.thumbnails},
        shown=len(report.thumbnails),
        machine=describe_machine(),
        tools=tool_versions(),
    )


def headline(report: EvaluationReport) -> str:
    """One sentence: what was measured, or what missed its bar."""
    if report.shortfalls:
        return "; ".join(report.shortfalls)
    text = f"{share(report.summary.top1)} of {report.summary.top1.total} images are right"
    agreement = report.summary.agreement
    if agreement is not None:
        text += f"; {share(agreement.same)} have the class that PyTorch gives"
    return text


def class_name(report: EvaluationReport, index: int | None) -> str:
    """Name of a class; None stands for logits that were not finite."""
    return "not finite" if index is None else report.data.class_names[index]


def share(value: Proportion) -> str:
    """In percent, rounded down."""
    return percent(value.share)


def interval(value: Proportion) -> str:
    """The 95% interval in percent."""
    return f"{percent(value.low)} to {percent(value.high)}"


def milliseconds(value: float) -> str:
    """Milliseconds in three digits."""
    return f"{value:.3g} ms" if value < 1000 else f"{value:.0f} ms"
