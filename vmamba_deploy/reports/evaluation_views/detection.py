"""The evaluation of a detector."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

from vmamba_deploy.evaluation.average_precision import MATCH_IOU, MATCH_SCORE
from vmamba_deploy.evaluation.intervals import percent
from vmamba_deploy.evaluation.report_data import EvaluationFacts, EvaluationReport
from vmamba_deploy.evaluation.scorers.detection import ClassPrecision, DetectionSummary
from vmamba_deploy.reports.evaluation_views.view import MadeWith, TextTable, View

_WORST = 10
_RANGE = "0.50 to 0.95"
_MEANINGS = {
    "ap": ("AP", _RANGE, "all", 100),
    "ap50": ("AP50", "0.50", "all", 100),
    "ap75": ("AP75", "0.75", "all", 100),
    "ap_small": ("AP", _RANGE, "small", 100),
    "ap_medium": ("AP", _RANGE, "medium", 100),
    "ap_large": ("AP", _RANGE, "large", 100),
    "ar1": ("AR", _RANGE, "all", 1),
    "ar10": ("AR", _RANGE, "all", 10),
    "ar100": ("AR", _RANGE, "all", 100),
    "ar_small": ("AR", _RANGE, "small", 100),
    "ar_medium": ("AR", _RANGE, "medium", 100),
    "ar_large": ("AR", _RANGE, "large", 100),
}
"""Name, IoU, objects and detections an image of each figure of `AveragePrecision`."""

Report: TypeAlias = EvaluationReport[DetectionSummary]


@dataclass(frozen=True, kw_only=True)
class DetectionDocument(DetectionSummary, EvaluationFacts):
    """The content of evaluation.json; see `EvaluationDocument`."""

    made_with: MadeWith


@dataclass(frozen=True)
class _Row:
    """One of the twelve numbers, of boxes and of masks."""

    name: str
    iou: str
    objects: str
    detections: int
    boxes: float
    masks: float


def _rows(report: Report) -> list[_Row]:
    boxes, masks = report.summary.boxes, report.summary.masks
    return [
        _Row(*meaning, getattr(boxes, key), getattr(masks, key) if masks else math.nan)
        for key, meaning in _MEANINGS.items()
    ]


def _lowest_first(report: Report) -> list[ClassPrecision]:
    return sorted(
        report.summary.classes,
        key=lambda one: (math.isnan(one.box_ap), one.box_ap, one.index),
    )


def _context(report: Report) -> dict[str, Any]:
    return {
        "classes": _lowest_first(report),
        "rows": _rows(report),
        "iou": MATCH_IOU,
        "score": MATCH_SCORE,
    }


def _headline(report: Report) -> str:
    summary = report.summary
    masks = f", mask AP {percent(summary.masks.ap)}" if summary.masks is not None else ""
    return f"box AP {percent(summary.boxes.ap)}{masks} over {summary.objects:,} objects"


def _thresholds(report: Report) -> list[str]:
    wanted = {
        "box AP": report.thresholds.min_box_ap_percent,
        "mask AP": report.thresholds.min_mask_ap_percent,
    }
    return [f"{name} at least {least}%" for name, least in wanted.items() if least is not None]


def _tables(report: Report) -> list[TextTable]:
    figures = tuple(
        (
            one.name,
            one.iou,
            one.objects,
            str(one.detections),
            percent(one.boxes),
            percent(one.masks),
        )
        for one in _rows(report)
    )
    worst = tuple(
        (one.name, percent(one.box_ap), percent(one.mask_ap), f"{one.objects:,}")
        for one in _lowest_first(report)[:_WORST]
    )
    columns = ("figure", "IoU", "objects", ">detections", ">boxes", ">masks")
    return [
        TextTable("Average precision and recall", columns, figures),
        TextTable("Worst classes", ("class", ">box AP", ">mask AP", ">objects"), worst),
    ]


DETECTION_VIEW = View(
    schema=DetectionDocument,
    template="evaluation_detection.html.j2",
    context=_context,
    headline=_headline,
    thresholds=_thresholds,
    tables=_tables,
    pictured=lambda summary: [one.index for one in summary.worst_images],
)
