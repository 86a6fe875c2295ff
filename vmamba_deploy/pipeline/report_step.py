"""The report of a run: what ran, what was skipped, and the error layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vmamba_deploy.pipeline.engine_step import EngineRecord
from vmamba_deploy.pipeline.onnx_facts import OnnxFacts

if TYPE_CHECKING:
    from vmamba_deploy.models import LoadedModel
    from vmamba_deploy.parity.results import RunResult
    from vmamba_deploy.reports.model import EngineInfo, LayerSeries

JSON_NAME = "report.json"
HTML_NAME = "report.html"
_RUNTIME_OF_LAYERS = "onnxruntime-library"


def write_reports(
    folder: Path,
    *,
    facts: OnnxFacts,
    loaded: LoadedModel,
    engine: EngineRecord,
    results: Sequence[RunResult],
    seconds: dict[str, float],
) -> None:
    """Write report.json and report.html.

    Args:
        folder: where to; the ONNX file is `facts.path`.
        loaded: the fp32 network.
        results: of the comparison; empty when it was not asked for.
        seconds: by step.

    Raises:
        ResourceError: the disk is full.
    """
    from vmamba_deploy.reports.html_file import write_html
    from vmamba_deploy.reports.json_file import write_json
    from vmamba_deploy.reports.machine import describe_machine, tool_versions, utc_now
    from vmamba_deploy.reports.model import Report, WeightsInfo

    random = loaded.source.startswith("random")
    note = "random weights: good for tests, not for predictions" if random else None
    report = Report(
        preset=loaded.preset_name,
        precision=facts.precision,
        weights=WeightsInfo(loaded.source, loaded.sha256, note),
        engine=_engine_info(engine),
        runs=tuple(results),
        machine=describe_machine(),
        tools=tool_versions(),
        created=utc_now(),
        timings=dict(seconds),
        layers=(_layer_errors(facts, loaded),) if _can_localise(facts, results) else (),
    )
    write_json(report, folder / JSON_NAME)
    write_html(report, folder / HTML_NAME)


def _engine_info(engine: EngineRecord) -> EngineInfo:
    from vmamba_deploy.reports.model import EngineInfo

    built = engine.built
    if built is None:
        return EngineInfo(False, reason=engine.reason)
    return EngineInfo(
        True, built.flavour, built.version, built.plugin_layers, built.size_bytes,
        built.build_seconds,
    )  # fmt: skip


def _can_localise(facts: OnnxFacts, results: Sequence[RunResult]) -> bool:
    """The library gave logits (good or not), and the graph takes what the bare network takes."""
    ran = any(run.runtime == _RUNTIME_OF_LAYERS and run.metrics is not None for run in results)
    return ran and not facts.takes_bytes()


def _layer_errors(facts: OnnxFacts, loaded: LoadedModel) -> LayerSeries:
    """Errors of the file's blocks on one photograph; the first beyond the limit is named."""
    from vmamba_deploy.native import library_path
    from vmamba_deploy.parity.inputs import build_inputs
    from vmamba_deploy.parity.localise import first_drift, localise
    from vmamba_deploy.parity.thresholds import thresholds_for
    from vmamba_deploy.pipeline.parity_step import fitting
    from vmamba_deploy.reports.model import LayerSeries
    from vmamba_deploy.runtimes.onnxruntime import create_session

    (photos, *_) = build_inputs(fitting((1,), facts), size=facts.image_size())
    library = library_path("vmamba_ort")
    errors = localise(
        loaded.model,
        facts.path,
        photos.pixel_values,
        lambda model: create_session(model, library=library),
    )
    limit = thresholds_for(_RUNTIME_OF_LAYERS, facts.precision).nmse
    drifted = first_drift(errors, limit)
    return LayerSeries(_RUNTIME_OF_LAYERS, tuple(errors), limit, drifted.layer if drifted else None)
