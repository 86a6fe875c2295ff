"""evaluation.json, as data."""

from __future__ import annotations

from typing import Any

from vmamba_deploy.evaluation.report_data import EvaluationReport
from vmamba_deploy.reports.evaluation_views import view_of
from vmamba_deploy.reports.evaluation_views.made_with import MadeWith
from vmamba_deploy.reports.machine import describe_machine, tool_versions


def evaluation_document(report: EvaluationReport[Any]) -> Any:
    """What evaluation.json says of a report, in the type that its task has for it."""
    return view_of(report).document(report, MadeWith(describe_machine(), tool_versions()))
