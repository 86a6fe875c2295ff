"""evaluation.json: written whole or not at all, and valid by its schema."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from vmamba_deploy.artifacts.atomic import atomic_write
from vmamba_deploy.evaluation.report_data import EvaluationReport
from vmamba_deploy.reports.machine import describe_machine, tool_versions

LISTED_CHANGES = 1000
"""Changed images that the file lists; it counts them all."""


@cache
def evaluation_schema() -> dict[str, Any]:
    """The JSON schema of evaluation.json."""
    text = (files("vmamba_deploy.reports") / "evaluation.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def write_evaluation_json(report: EvaluationReport, path: Path) -> None:
    """Write evaluation.json.

    Raises:
        ResourceError, UsageError: the disk is full, or the place not writable.
    """
    import jsonschema

    content = evaluation_as_json(report)
    jsonschema.validate(content, evaluation_schema())
    text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
    with atomic_write(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def evaluation_as_json(report: EvaluationReport) -> dict[str, Any]:
    """The content of evaluation.json; figures that are not finite become null.

    What depends on the machine and the moment is under `run`, `timing`, `made_with` and `created`;
    everything else is the same however often a run was interrupted and wherever it ran.
    """
    figures = asdict(report.summary)
    content = {
        "schema_version": report.schema_version,
        "verdict": report.verdict,
        "shortfalls": report.shortfalls,
        "created": report.created,
        "artifact": asdict(report.artifact),
        "data": asdict(report.data),
        "against": report.against,
        "bars": asdict(report.bars),
        "timing": figures.pop("timing"),
        "run": asdict(report.run) | {"images_per_second": report.run.images_per_second},
        "made_with": {"machine": asdict(describe_machine()), "tools": tool_versions()},
    }
    agreement = figures["agreement"]
    if agreement is not None:
        agreement["changed_images"] = len(agreement["changed"])
        agreement["changed"] = agreement["changed"][:LISTED_CHANGES]
    plain: dict[str, Any] = _plain(content | figures)
    return plain


def _plain(value: Any) -> Any:
    """Lists for tuples, null for what is not finite."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
