"""JSON schemas of our files, from their types: python -m vmamba_deploy.reports.schema report."""

from __future__ import annotations

import json
import sys
from typing import Any

import msgspec

from vmamba_deploy.artifacts.manifest import Manifest
from vmamba_deploy.evaluation.scorers.detection import DetectionSummary
from vmamba_deploy.evaluation.scorers.segmentation import SegmentationSummary
from vmamba_deploy.evaluation.summary import Summary
from vmamba_deploy.reports.analysis import ReceptiveFieldReport, ResolutionReport
from vmamba_deploy.reports.bench import BenchReport
from vmamba_deploy.reports.evaluation_views import VIEWS
from vmamba_deploy.reports.model import Report

DOCUMENTS: dict[str, type] = {
    "manifest": Manifest,
    "report": Report,
    "evaluation": VIEWS[Summary].schema,
    "evaluation_segmentation": VIEWS[SegmentationSummary].schema,
    "evaluation_detection": VIEWS[DetectionSummary].schema,
    "receptive_field": ReceptiveFieldReport,
    "resolution": ResolutionReport,
    "bench": BenchReport,
}


def schema_of(name: str) -> dict[str, Any]:
    """The JSON schema of one of our files, by the name in `DOCUMENTS`.

    In all but the manifest any figure may be null: it could not be computed, or is not finite.
    """
    schema = msgspec.json.schema(DOCUMENTS[name])
    draft = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    made: dict[str, Any] = draft | (schema if name == "manifest" else _nullable(schema))
    return made


def _nullable(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_nullable(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    inside = {key: _nullable(value) for key, value in schema.items()}
    return inside | {"type": ["number", "null"]} if schema.get("type") == "number" else inside


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in DOCUMENTS:
        sys.exit(f"usage: python -m vmamba_deploy.reports.schema {'|'.join(DOCUMENTS)}")
    sys.stdout.write(json.dumps(schema_of(sys.argv[1]), indent=2) + "\n")
