"""The evaluation of a classifier."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from vmamba_deploy.evaluation.intervals import Proportion, percent
from vmamba_deploy.evaluation.report_data import EvaluationFacts, EvaluationReport
from vmamba_deploy.evaluation.summary import ChangedImage, Summary
from vmamba_deploy.reports.evaluation_views.view import MadeWith, TextTable, View

LISTED_CHANGES = 1000
"""Changed images that evaluation.json lists; it counts them all."""
_SHOWN = 10

Report: TypeAlias = EvaluationReport[Summary]


@dataclass(frozen=True, kw_only=True)
class EvaluationDocument(Summary, EvaluationFacts):
    """The content of evaluation.json: an `EvaluationReport` with the figures of its summary.

    What depends on the machine and the moment is under `run`, `timing`, `made_with` and `created`;
    everything else is the same however often a run was interrupted and wherever it ran.
    """

    made_with: MadeWith


def _listed(summary: Summary) -> Summary:
    """Of the changed images the first."""
    if (agreement := summary.agreement) is None:
        return summary
    return replace(
        summary, agreement=replace(agreement, changed=agreement.changed[:LISTED_CHANGES])
    )


def class_name(report: Report, index: int | None) -> str:
    """Name of a class; None stands for logits that were not finite."""
    return "not finite" if index is None else report.data.class_names[index]


def share(value: Proportion) -> str:
    """In percent, rounded down."""
    return percent(value.share)


def interval(value: Proportion) -> str:
    """The 95% interval in percent."""
    return f"{percent(value.low)} to {percent(value.high)}"


def _context(report: Report) -> dict[str, Any]:
    from markupsafe import Markup

    from vmamba_deploy.reports.plots import confusion_svg

    confusion = report.summary.confusion
    # matplotlib escapes the labels in the SVG that it writes.
    drawing = (
        Markup(confusion_svg(confusion, lambda index: class_name(report, index)))
        if confusion is not None
        else None
    )
    by_index = {one.index: one for one in report.summary.classes}
    return {
        "worst": [by_index[index] for index in report.summary.worst],
        "plot": drawing,
        "thumbnails": {one.index: one.uri for one in report.thumbnails},
        "shown": len(report.thumbnails),
        "share": share,
        "interval": interval,
        "class_name": lambda index: class_name(report, index),
    }


def _headline(report: Report) -> str:
    text = f"{share(report.summary.top1)} of {report.summary.top1.total} images are right"
    agreement = report.summary.agreement
    if agreement is not None:
        text += f"; {share(agreement.same)} have the class that PyTorch gives"
    return text


def _bars(report: Report) -> list[str]:
    wanted, agreement = report.bars.min_top1_percent, report.summary.agreement
    texts = ["none for top-1" if wanted is None else f"top-1 at least {wanted} %"]
    if agreement is not None:
        texts.append(f"at most {report.bars.allowed_changes(agreement.same.total)} images changed")
    return texts


def _tables(report: Report) -> list[TextTable]:
    tables = [_accuracy(report)]
    if report.summary.worst:
        tables.append(_worst(report))
    if report.summary.agreement is not None and report.summary.agreement.changed:
        tables.append(_changed(report, report.summary.agreement.changed))
    return tables


def _accuracy(report: Report) -> TextTable:
    summary = report.summary
    figures = {"top-1": summary.top1}
    if summary.top_k is not None:
        figures[f"top-{summary.k}"] = summary.top_k
    if summary.agreement is not None:
        figures["as PyTorch"] = summary.agreement.same
        figures["PyTorch's top-1"] = summary.agreement.reference_top1
    rows = tuple(
        (name, share(value), str(value.count), str(value.total), interval(value))
        for name, value in figures.items()
    )
    return TextTable("Accuracy", ("figure", ">share", ">images", ">of", "95 % interval"), rows)


def _worst(report: Report) -> TextTable:
    classes = {one.index: one for one in report.summary.classes}
    rows = []
    for index in report.summary.worst:
        one = classes[index]
        taken = ", ".join(f"{class_name(report, other)} ({n})" for other, n in one.taken_for)
        rows.append((one.name, str(one.correct), str(one.images), f"{one.accuracy:.1%}", taken))
    columns = ("class", ">right", ">images", ">accuracy", "taken for")
    return TextTable("Worst classes", columns, tuple(rows))


def _changed(report: Report, changed: tuple[ChangedImage, ...]) -> TextTable:
    rows: list[tuple[str, ...]] = [
        (
            one.name,
            class_name(report, one.label),
            class_name(report, one.reference),
            f"{one.reference_margin:.3g}",
            class_name(report, one.candidate),
            f"{one.margin:.3g}",
        )
        for one in changed[:_SHOWN]
    ]
    if len(changed) > _SHOWN:
        rows.append((f"and {len(changed) - _SHOWN} more", *[""] * 5))
    columns = ("image", "label", "PyTorch", ">margin", "here", ">margin")
    return TextTable(f"Images that changed class: {len(changed)}", columns, tuple(rows))


CLASSIFICATION_VIEW = View(
    schema=EvaluationDocument,
    template="evaluation_classification.html.j2",
    context=_context,
    headline=_headline,
    bars=_bars,
    tables=_tables,
    listed=_listed,
)
