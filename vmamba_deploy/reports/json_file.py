"""report.json: written whole or not at all, and valid by its schema both ways."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from vmamba_deploy.artifacts.atomic import atomic_write
from vmamba_deploy.errors import InputFileError
from vmamba_deploy.parity.localise import LayerError
from vmamba_deploy.parity.metrics import Metrics
from vmamba_deploy.parity.results import InputResult, RunResult
from vmamba_deploy.precisions import Thresholds
from vmamba_deploy.reports.model import (
    EngineInfo,
    LayerSeries,
    MachineInfo,
    Report,
    WeightsInfo,
)


@cache
def report_schema() -> dict[str, Any]:
    """The JSON schema of report.json."""
    text = (files("vmamba_deploy.reports") / "report.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def write_json(report: Report, path: Path) -> None:
    """Write report.json.

    Raises:
        ResourceError, UsageError: the disk is full, or the place not writable.
    """
    import jsonschema

    content = as_json(report)
    jsonschema.validate(content, report_schema())
    text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
    with atomic_write(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> Report:
    """Read a report back. Figures that were not finite come back as NaN.

    Raises:
        InputFileError: no such file, not JSON, or not valid by the schema.
    """
    import jsonschema

    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        jsonschema.validate(content, report_schema())
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputFileError(f"cannot read the report {path}: {error}") from error
    except jsonschema.ValidationError as error:
        where = "/".join(map(str, error.absolute_path)) or "top level"
        raise InputFileError(
            f"{path} is not a report of this version: {where}: {error.message}"
        ) from error
    return _from_json(content)


def as_json(report: Report) -> dict[str, Any]:
    """The content of report.json; figures that are not finite become null."""
    content: dict[str, Any] = _finite(asdict(report))
    order = ("schema_version", "verdict", "preset", "precision", "created")
    content["verdict"] = report.verdict
    return {key: content.pop(key) for key in order} | content


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _from_json(content: dict[str, Any]) -> Report:
    fields = {key: value for key, value in content.items() if key != "verdict"}
    fields["weights"] = WeightsInfo(**content["weights"])
    fields["engine"] = EngineInfo(**content["engine"])
    fields["machine"] = MachineInfo(**content["machine"])
    fields["runs"] = tuple(_run(run) for run in content["runs"])
    fields["layers"] = tuple(_series(series) for series in content["layers"])
    return Report(**fields)


def _run(run: dict[str, Any]) -> RunResult:
    inputs = tuple(
        InputResult(**one | {"metrics": _metrics(one["metrics"])}) for one in run["inputs"]
    )
    return RunResult(
        **run
        | {
            "thresholds": Thresholds(**run["thresholds"]),
            "inputs": inputs,
            "metrics": _metrics(run["metrics"]),
        }
    )


def _metrics(values: dict[str, Any] | None) -> Metrics | None:
    return None if values is None else Metrics(**_nan_for_null(values))


def _series(series: dict[str, Any]) -> LayerSeries:
    errors = tuple(LayerError(**_nan_for_null(error)) for error in series["errors"])
    return LayerSeries(**series | {"errors": errors})


def _nan_for_null(values: dict[str, Any]) -> dict[str, Any]:
    return {key: math.nan if value is None else value for key, value in values.items()}
