"""What `evaluate` and `predict` show a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmamba_deploy.cli.summary import table
from vmamba_deploy.reports.evaluation_page import class_name, headline, interval, share

if TYPE_CHECKING:
    from rich.table import Table

    from vmamba_deploy.cli.terminal import Terminal
    from vmamba_deploy.evaluation.intervals import Proportion
    from vmamba_deploy.evaluation.report_data import EvaluationReport
    from vmamba_deploy.evaluation.summary import ChangedImage, Timing
    from vmamba_deploy.pipeline.evaluate import EvaluationOutcome

_SHOWN = 10


def show_evaluation(terminal: Terminal, outcome: EvaluationOutcome) -> None:
    """Draw accuracy, times, worst classes and changed images, and the verdict."""
    report = outcome.report
    terminal.show(_accuracy(report))
    if report.summary.timing is not None:
        terminal.show(_times(report, report.summary.timing))
    if report.summary.worst:
        terminal.show(_worst(report))
    if report.summary.agreement is not None and report.summary.agreement.changed:
        terminal.show(_changed(report, report.summary.agreement.changed))
    if report.summary.skipped:
        terminal.show(_skipped(report))
    terminal.verdict(f"{headline(report)}; see {outcome.folder}", good=not report.shortfalls)


def _accuracy(report: EvaluationReport) -> Table:
    drawn = table("\nAccuracy", "figure", ">share", ">images", ">of", "95 % interval")
    summary = report.summary

    def add(name: str, value: Proportion) -> None:
        drawn.add_row(name, share(value), str(value.count), str(value.total), interval(value))

    add("top-1", summary.top1)
    if summary.top_k is not None:
        add(f"top-{summary.k}", summary.top_k)
    if summary.agreement is not None:
        add("as PyTorch", summary.agreement.same)
        add("PyTorch's top-1", summary.agreement.reference_top1)
    return drawn


def _times(report: EvaluationReport, timing: Timing) -> Table:
    drawn = table("\nMilliseconds per image", "what", ">p50", ">p90", ">p99", ">mean")
    rows = {
        "read and preprocess": timing.preprocess,
        report.artifact.runtime: timing.inference,
        "PyTorch": timing.reference,
    }
    for name, times in rows.items():
        if times is not None:
            figures = (times.p50, times.p90, times.p99, times.mean)
            drawn.add_row(name, *(f"{figure:.2f}" for figure in figures))
    return drawn


def _worst(report: EvaluationReport) -> Table:
    drawn = table("\nWorst classes", "class", ">right", ">images", ">accuracy", "taken for")
    classes = {one.index: one for one in report.summary.classes}
    for index in report.summary.worst:
        one = classes[index]
        taken = ", ".join(f"{class_name(report, other)} ({n})" for other, n in one.taken_for)
        accuracy = f"{one.accuracy:.1%}"
        drawn.add_row(one.name, str(one.correct), str(one.images), accuracy, taken)
    return drawn


def _changed(report: EvaluationReport, changed: tuple[ChangedImage, ...]) -> Table:
    title = f"\nImages that changed class: {len(changed)}"
    drawn = table(title, "image", "label", "PyTorch", ">margin", "here", ">margin")
    for one in changed[:_SHOWN]:
        drawn.add_row(
            one.name,
            class_name(report, one.label),
            class_name(report, one.reference),
            f"{one.reference_margin:.3g}",
            class_name(report, one.candidate),
            f"{one.margin:.3g}",
        )
    if len(changed) > _SHOWN:
        drawn.add_row(f"and {len(changed) - _SHOWN} more")
    return drawn


def _skipped(report: EvaluationReport) -> Table:
    skipped = report.summary.skipped
    drawn = table(f"\nUnreadable images: {len(skipped)}", "image", "reason")
    for name, reason in skipped[:_SHOWN]:
        drawn.add_row(name, reason)
    if len(skipped) > _SHOWN:
        drawn.add_row(f"and {len(skipped) - _SHOWN} more")
    return drawn
