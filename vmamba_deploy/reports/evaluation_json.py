"""evaluation.json, as data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from vmamba_deploy.evaluation.intervals import Proportion
from vmamba_deploy.evaluation.judging import Bars
from vmamba_deploy.evaluation.report_data import (
    ArtifactInfo,
    DataInfo,
    EvaluationReport,
    RunInfo,
    Verdict,
)
from vmamba_deploy.evaluation.summary import Agreement, ClassAccuracy, Confusion, Timing
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
class EvaluationDocument:
    """The content of evaluation.json: an `EvaluationReport` with the figures of its summary.

    What depends on the machine and the moment is under `run`, `timing`, `made_with` and `created`;
    everything else is the same however often a run was interrupted and wherever it ran.
    """

    schema_version: str
    verdict: Verdict
    shortfalls: tuple[str, ...]
    created: str
    artifact: ArtifactInfo
    data: DataInfo
    against: str | None
    bars: Bars
    timing: Timing | None
    run: RunInfo
    made_with: MadeWith
    top1: Proportion
    top_k: Proportion | None
    k: int
    not_finite: int
    skipped: tuple[tuple[str, str], ...]
    agreement: Agreement | None
    classes: tuple[ClassAccuracy, ...]
    worst: tuple[int, ...]
    confusion: Confusion | None


def evaluation_document(report: EvaluationReport) -> EvaluationDocument:
    """What evaluation.json says of a report; of the changed images it lists the first."""
    figures: dict[str, Any] = dict(vars(report.summary))
    if (agreement := report.summary.agreement) is not None:
        figures["agreement"] = replace(agreement, changed=agreement.changed[:LISTED_CHANGES])
    return EvaluationDocument(
        schema_version=report.schema_version,
        verdict=report.verdict,
        shortfalls=report.shortfalls,
        created=report.created,
        artifact=report.artifact,
        data=report.data,
        against=report.against,
        bars=report.bars,
        run=report.run,
        made_with=MadeWith(describe_machine(), tool_versions()),
        **figures,
    )
