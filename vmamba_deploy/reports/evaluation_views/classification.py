"""The evaluation of a classifier."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from vmamba_deploy.evaluation.class_figures import Confusion
from vmamba_deploy.evaluation.intervals import Proportion, percent
from vmamba_deploy.evaluation.report_data import EvaluationFacts, EvaluationReport
from vmamba_deploy.evaluation.summary import WORST_IMAGES, ChangedImage, Summary
from vmamba_deploy.reports.evaluation_views.view import MadeWith, TextTable, View

LISTED_CHANGES = 1000
"""Changed images that evaluation.json lists; it counts them all."""
SHOWN_CLASSES = 1000
"""Classes in the page's table; evaluation.json has all."""
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


def _pictured(summary: Summary) -> set[int]:
    """The wrong images, and as many of those that changed class."""
    changed = summary.agreement.changed[:WORST_IMAGES] if summary.agreement is not None else ()
    return {one.index for one in summary.wrong} | {one.index for one in changed}


@dataclass(frozen=True)
class _Cell:
    """Of the confusion matrix: the predicted class, the images, and how dark it is, 0 to 1."""

    column: int
    images: int
    part: float


@dataclass(frozen=True)
class _Row:
    """Of the confusion matrix: the true class, and images whose logits were not finite."""

    row: int
    cells: tuple[_Cell, ...]
    not_finite: int


def _matrix(confusion: Confusion | None) -> list[_Row]:
    if confusion is None:
        return []
    rows = []
    for row, counts, broken in zip(
        confusion.classes, confusion.counts, confusion.not_finite, strict=True
    ):
        total = max(sum(counts) + broken, 1)
        cells = (
            _Cell(column, count, 0.15 + 0.7 * count / total)
            for column, count in zip(confusion.classes, counts, strict=True)
        )
        rows.append(_Row(row, tuple(cells), broken))
    return rows


def _context(report: Report) -> dict[str, Any]:
    from markupsafe import Markup

    from vmamba_deploy.reports.evaluation_plots import calibration_svg

    summary = report.summary
    calibration = summary.calibration
    # matplotlib escapes the labels in the SVG that it writes.
    curve = Markup(calibration_svg(calibration)) if calibration is not None else None
    return {
        "curve": curve,
        "matrix": _matrix(summary.confusion),
        "classes": heapq.nsmallest(
            SHOWN_CLASSES, summary.classes, key=lambda one: (one.f1, -one.images, one.index)
        ),
        "changed": summary.agreement.changed[:WORST_IMAGES] if summary.agreement else (),
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


def _thresholds(report: Report) -> list[str]:
    wanted, agreement = report.thresholds.min_top1_percent, report.summary.agreement
    texts = ["none for top-1" if wanted is None else f"top-1 at least {wanted}%"]
    if agreement is not None:
        allowed = report.thresholds.allowed_changes(agreement.same.total)
        texts.append(f"at most {allowed} images changed")
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
        figures["agreement with PyTorch"] = summary.agreement.same
        figures["PyTorch's top-1"] = summary.agreement.reference_top1
    rows = tuple(
        (name, share(value), str(value.count), str(value.total), interval(value))
        for name, value in figures.items()
    )
    return TextTable("Accuracy", ("figure", ">share", ">images", ">of", "95% interval"), rows)


def _worst(report: Report) -> TextTable:
    classes = {one.index: one for one in report.summary.classes}
    rows = []
    for index in report.summary.worst:
        one = classes[index]
        taken = ", ".join(f"{class_name(report, other)} ({n})" for other, n in one.taken_for)
        rows.append((one.name, str(one.correct), str(one.images), f"{one.recall:.1%}", taken))
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
    thresholds=_thresholds,
    tables=_tables,
    pictured=_pictured,
    listed=_listed,
)
