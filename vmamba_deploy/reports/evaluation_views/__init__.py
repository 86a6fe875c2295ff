"""Views by the type of an evaluation's figures. A new one is a file here and a line in `VIEWS`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any

from vmamba_deploy.evaluation.report_data import EvaluationFacts, EvaluationReport
from vmamba_deploy.evaluation.scorers.detection import DetectionSummary
from vmamba_deploy.evaluation.scorers.segmentation import SegmentationSummary
from vmamba_deploy.evaluation.summary import Summary
from vmamba_deploy.reports.evaluation_views.classification import CLASSIFICATION_VIEW
from vmamba_deploy.reports.evaluation_views.detection import DETECTION_VIEW
from vmamba_deploy.reports.evaluation_views.segmentation import SEGMENTATION_VIEW
from vmamba_deploy.reports.evaluation_views.view import MadeWith, View
from vmamba_deploy.reports.machine import describe_machine, tool_versions

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


def evaluation_document(report: EvaluationReport[Any]) -> Any:
    """What evaluation.json says of a report, in the type that its task has for it."""
    view = view_of(report)
    facts = {one.name: getattr(report, one.name) for one in fields(EvaluationFacts) if one.init}
    made_with = MadeWith(describe_machine(), tool_versions())
    return view.schema(made_with=made_with, **facts, **vars(view.listed(report.summary)))


__all__ = ["VIEWS", "View", "evaluation_document", "view_of"]
