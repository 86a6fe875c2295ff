"""The report of a run: what ran, what was skipped, and the error layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vmamba_deploy.artifacts.engine_facts import EngineFacts
from vmamba_deploy.artifacts.manifest import REPORT_NAME
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.parity.localise import first_drift, localise_each
from vmamba_deploy.parity.verdict import PYTORCH_FP32
from vmamba_deploy.pipeline.parity import named_weights, parity_inputs, reference_network
from vmamba_deploy.precisions import PRECISIONS
from vmamba_deploy.quantization.results import QuantizationProof
from vmamba_deploy.reports.html_file import render_html, write_page
from vmamba_deploy.reports.json_file import write_json
from vmamba_deploy.reports.machine import describe_machine, tool_versions, utc_now
from vmamba_deploy.reports.model import (
    Command,
    EngineInfo,
    LayerInput,
    LayerSeries,
    Report,
    TensorInfo,
    WeightsInfo,
)
from vmamba_deploy.reports.pictures import draw
from vmamba_deploy.reports.top_classes import top_classes
from vmamba_deploy.runtimes.base import RuntimeKind
from vmamba_deploy.runtimes.registry import RUNTIMES

if TYPE_CHECKING:
    from vmamba_deploy.models import LoadedModel
    from vmamba_deploy.parity.inputs import InputSet
    from vmamba_deploy.parity.observer import Observer
    from vmamba_deploy.parity.results import RunResult


_SECOND_OF_THEIR_KIND = ("uniform", "white")
HTML_NAME = "report.html"


def write_reports(
    folder: Path,
    *,
    facts: OnnxModel,
    loaded: LoadedModel | None,
    engine: EngineFacts,
    results: Sequence[RunResult],
    seconds: dict[str, float],
    observer: Observer | None = None,
    proof: QuantizationProof | None = None,
    required: tuple[str, ...] = (),
    commands: Sequence[Command] = (),
    reference: str = PYTORCH_FP32,
) -> None:
    """Write report.json and report.html.

    Args:
        folder: where to; the ONNX file is `facts.path`.
        loaded: the fp32 network; None: the files were compared with others.
        engine: the manifest's `engine`; the file itself is beside the ONNX file.
        results: of the comparison; empty when it was not asked for.
        seconds: by step.
        observer: what it kept of the comparison; its photographs are on the page alone.
        proof: of what was quantized.
        required: runtimes that had to run.
        commands: that make all of it again.
        reference: what the runtimes were compared with.

    Raises:
        InputFileError: `loaded` is None, and the file does not name its weights.
        ResourceError: the disk is full.
    """

    report = Report(
        preset=loaded.preset_name if loaded is not None else facts.preset,
        task=facts.task.name,
        precision=facts.precision,
        weights=_weights_info(facts, loaded),
        engine=_engine_info(engine, facts.path.with_suffix(".engine")),
        runs=tuple(results),
        machine=describe_machine(),
        tools=tool_versions(),
        created=utc_now(),
        timings=dict(seconds),
        layers=()
        if loaded is None
        else tuple(_layer_errors(facts, loaded, kind) for kind in _to_localise(results)),
        quantization=proof,
        calibration=facts.calibration,
        required=required,
        reference=reference,
        inputs=tuple(TensorInfo(one.name, one.dtype, one.shape) for one in facts.inputs),
        differences=observer.histograms if observer is not None else (),
        commands=tuple(commands),
    )
    write_json(report, folder / REPORT_NAME)
    exhibits = observer.exhibits if observer is not None else ()
    page = render_html(
        report,
        draw(exhibits, facts.task.name, loaded.model.palette if loaded is not None else None),
        top_classes(exhibits, facts, loaded.model.class_labels if loaded is not None else None),
        json_name=REPORT_NAME,
    )
    write_page(page, folder / HTML_NAME)


def _weights_info(facts: OnnxModel, loaded: LoadedModel | None) -> WeightsInfo:
    """Of the network, or as the file says."""
    if loaded is None:
        source, sha256 = named_weights(facts)
        return WeightsInfo(source, sha256, _note(source))
    return WeightsInfo(
        loaded.source,
        loaded.sha256,
        _note(loaded.source),
        architecture=loaded.architecture,
        key=(loaded.origin.key or None) if loaded.origin is not None else None,
    )


def _note(source: str) -> str | None:
    random = source.startswith("random")
    return "random weights: good for tests, not for predictions" if random else None


def _engine_info(engine: EngineFacts, path: Path) -> EngineInfo:

    if not engine.built:
        return EngineInfo(False, reason=engine.reason)
    return EngineInfo(
        True,
        engine.flavour,
        engine.version,
        engine.plugin_layers,
        path.stat().st_size,
        engine.build_seconds,
    )


def _to_localise(results: Sequence[RunResult]) -> list[RuntimeKind]:
    """Those that failed and have layers, else the first of them that applications open.

    Only where they gave an output, good or not: a session that raises on the whole graph would
    raise on its layers too.
    """
    kinds = {run.runtime: RUNTIMES[run.runtime] for run in results if run.metrics is not None}
    layered = {name: kind for name, kind in kinds.items() if kind.layer_session is not None}
    failed = [run.runtime for run in results if run.status == "failed"]
    served = [kind for kind in layered.values() if kind.service is not None]
    return [kind for name, kind in layered.items() if name in failed] or served[:1]


def _layer_errors(facts: OnnxModel, loaded: LoadedModel, kind: RuntimeKind) -> LayerSeries:
    """Errors of the file's blocks on each kind of input; the first beyond the limit is named.

    That one is of the first input, a photograph.
    """

    inputs = _layer_inputs(parity_inputs(facts, loaded.preprocessing, (1,)))
    assert kind.layer_session is not None
    errors, *others = localise_each(
        reference_network(facts, loaded),
        facts.ir,
        [[one.pixel_values, *one.others.values()] for one in inputs],
        kind.layer_session,
        loaded.family.layers,
    )
    limit = PRECISIONS[facts.precision].thresholds.nmse
    drifted = first_drift(errors, limit)
    return LayerSeries(
        kind.name,
        tuple(errors),
        limit,
        drifted.layer if drifted else None,
        tuple(
            LayerInput(one.images[0], tuple(error.nmse for error in found))
            for one, found in zip(inputs, [errors, *others], strict=True)
        ),
    )


def _layer_inputs(sets: Sequence[InputSet]) -> list[InputSet]:
    """One of each kind, photograph, noise and one colour, in the first one's size.

    Each costs another run of both networks.
    """
    shape = sets[0].pixel_values.shape
    return [
        one
        for one in sets
        if one.pixel_values.shape == shape and one.images[0] not in _SECOND_OF_THEIR_KIND
    ]
