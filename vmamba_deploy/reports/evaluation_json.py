"""evaluation.json, as data."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from vmamba_deploy.evaluation.report_data import EvaluationFacts, EvaluationReport
from vmamba_deploy.evaluation.summary import Summary
from vmamba_deploy.reports.machine import describe_machine, tool_versions
from vmamba_deploy.reports.model import MachineInfo

LISTED_CHANGES = 1000
"""Changed images that the file lists; it counts them all."""


@dataclass(frozen=True)
class MadeWith:
    """The machine, and the version of each tool."""

    machine: MachineInfo
    tools: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class EvaluationDocument(Summary, EvaluationFacts):
    """The content of evaluation.json: an `EvaluationReport` with the figures of its summary.

    What depends on the machine and the moment is under `run`, `timing`, `made_with` and `created`;
    everything else is the same however often a run was interrupted and wherever it ran.
    """

    made_with: MadeWith


def evaluation_document(report: EvaluationReport) -> EvaluationDocument:
    """What evaluation.json says of a report; of the changed images it lists the first."""
    content: dict[str, Any] = {
        one.name: getattr(report, one.name) for one in fields(EvaluationFacts) if one.init
    }
    content |= vars(report.summary)
    if (agreement := report.summary.agreement) is not None:
        content["agreement"] = replace(agreement, changed=agreement.changed[:LISTED_CHANGES])
    made_with = MadeWith(describe_machine(), tool_versions())
    return EvaluationDocument(made_with=made_with, **content)
