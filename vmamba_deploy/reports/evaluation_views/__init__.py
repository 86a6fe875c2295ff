"""Views by the type of an evaluation's figures. A new one is a file here and a line in `VIEWS`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from vmamba_deploy.evaluation.report_data import EvaluationReport
from vmamba_deploy.evaluation.scorers.detection import DetectionSummary
from vmamba_deploy.evaluation.scorers.segmentation import SegmentationSummary
from vmamba_deploy.evaluation.summary import Summary
from vmamba_deploy.reports.evaluation_views.classification import CLASSIFICATION_VIEW
from vmamba_deploy.reports.evaluation_views.detection import DETECTION_VIEW
from vmamba_deploy.reports.evaluation_views.segmentation import SEGMENTATION_VIEW
from vmamba_deploy.reports.evaluation_views.view import View

VIEWS: Mapping[type, View] = MappingProxyType(
    {
        Summary: CLASSIFICATION_VIEW,
        SegmentationSummary: SEGMENTATION_VIEW,
        DetectionSummary: DETECTION_VIEW,
    }
)


def view_of(report: EvaluationReport[Any]) -> View:
    """The view of a report, by its figures."""
    return VIEWS[type(report.summary)]


__all__ = ["VIEWS", "View", "view_of"]
