"""With what an evaluation was made, and what every evaluation.json says."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from vmamba_deploy.evaluation.report_data import EvaluationFacts, EvaluationReport
from vmamba_deploy.reports.model import MachineInfo


@dataclass(frozen=True)
class MadeWith:
    """The machine, and the version of each tool."""

    machine: MachineInfo
    tools: dict[str, str]


def content_of(report: EvaluationReport[Any]) -> dict[str, Any]:
    """The fields of evaluation.json: the facts of the report, and the figures of its summary."""
    facts = {one.name: getattr(report, one.name) for one in fields(EvaluationFacts) if one.init}
    return {**facts, **vars(report.summary)}
