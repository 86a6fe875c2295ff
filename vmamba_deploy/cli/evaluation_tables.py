"""What `evaluate` shows a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vmamba_deploy.cli.summary import table
from vmamba_deploy.reports.evaluation_page import headline
from vmamba_deploy.reports.evaluation_views import view_of

if TYPE_CHECKING:
    from rich.table import Table

    from vmamba_deploy.cli.terminal import Terminal
    from vmamba_deploy.evaluation.report_data import EvaluationReport
    from vmamba_deploy.evaluation.timing import Timing
    from vmamba_deploy.pipeline.evaluate import EvaluationOutcome

_SHOWN = 10


def show_evaluation(terminal: Terminal, outcome: EvaluationOutcome) -> None:
    """Draw figures, times and what went wrong, and the verdict."""
    report = outcome.report
    for one in view_of(report).tables(report):
        drawn = table(f"\n{one.title}", *one.columns)
        for row in one.rows:
            drawn.add_row(*row)
        terminal.show(drawn)
    if report.summary.timing is not None:
        terminal.show(_times(report, report.summary.timing))
    if report.summary.skipped:
        terminal.show(_skipped(report))
    terminal.verdict(f"{headline(report)}; see {outcome.folder}", good=not report.shortfalls)


def _times(report: EvaluationReport[Any], timing: Timing) -> Table:
    drawn = table("\nMilliseconds per image", "what", ">p50", ">p90", ">p99", ">mean", ">images/s")
    rows = {
        "read and preprocess": timing.preprocess,
        report.artifact.runtime: timing.inference,
        "PyTorch": timing.reference,
    }
    for name, times in rows.items():
        if times is not None:
            figures = (times.p50, times.p90, times.p99, times.mean)
            rate = f"{times.images_per_second:.1f}"
            drawn.add_row(name, *(f"{figure:.2f}" for figure in figures), rate)
    return drawn


def _skipped(report: EvaluationReport[Any]) -> Table:
    skipped = report.summary.skipped
    drawn = table(f"\nUnreadable images: {len(skipped)}", "image", "reason")
    for name, reason in skipped[:_SHOWN]:
        drawn.add_row(name, reason)
    if len(skipped) > _SHOWN:
        drawn.add_row(f"and {len(skipped) - _SHOWN} more")
    return drawn
