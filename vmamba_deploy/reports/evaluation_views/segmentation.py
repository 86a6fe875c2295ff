"""The evaluation of a segmenter."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

from vmamba_deploy.evaluation.intervals import percent
from vmamba_deploy.evaluation.report_data import EvaluationFacts, EvaluationReport
from vmamba_deploy.evaluation.scorers.segmentation import ClassIou, SegmentationSummary
from vmamba_deploy.reports.evaluation_views.view import MadeWith, TextTable, View

_WORST = 10

Report: TypeAlias = EvaluationReport[SegmentationSummary]


@dataclass(frozen=True, kw_only=True)
class SegmentationDocument(SegmentationSummary, EvaluationFacts):
    """The content of evaluation.json; see `EvaluationDocument`."""

    made_with: MadeWith


def _lowest_first(report: Report) -> list[ClassIou]:
    return sorted(report.summary.classes, key=lambda one: (one.iou, one.index))


def _context(report: Report) -> dict[str, Any]:
    known = sum(math.isfinite(one.iou) for one in report.summary.classes)
    return {
        "classes": _lowest_first(report),
        "known": known,
        "class_name": lambda index: report.data.class_names[index],
    }


def _headline(report: Report) -> str:
    summary = report.summary
    return (
        f"mIoU {percent(summary.mean_iou)}; {percent(summary.pixel_accuracy)} of "
        f"{summary.pixels:,} pixels are right"
    )


def _thresholds(report: Report) -> list[str]:
    wanted = report.thresholds.min_miou_percent
    return [] if wanted is None else [f"mIoU at least {wanted}%"]


def _tables(report: Report) -> list[TextTable]:
    summary = report.summary
    figures = (
        ("mIoU", percent(summary.mean_iou)),
        ("pixel accuracy", percent(summary.pixel_accuracy)),
        ("mean accuracy", percent(summary.mean_accuracy)),
    )
    worst = tuple(
        (one.name, percent(one.iou), percent(one.accuracy), f"{one.pixels:,}")
        for one in _lowest_first(report)[:_WORST]
    )
    return [
        TextTable("Accuracy", ("figure", ">share"), figures),
        TextTable("Worst classes", ("class", ">IoU", ">accuracy", ">pixels"), worst),
    ]


SEGMENTATION_VIEW = View(
    schema=SegmentationDocument,
    template="evaluation_segmentation.html.j2",
    context=_context,
    headline=_headline,
    thresholds=_thresholds,
    tables=_tables,
    pictured=lambda summary: [one.index for one in summary.worst_images],
)
