"""The comparison of files that were exported earlier with the network they were made from."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmamba_deploy.artifacts.atomic import make_folder
from vmamba_deploy.artifacts.engine_facts import EngineFacts
from vmamba_deploy.errors import ExitCode, UsageError
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.models.checkpoints.choice import WeightsChoice
from vmamba_deploy.parity.elements import Tolerance
from vmamba_deploy.parity.observer import Observer
from vmamba_deploy.parity.verdict import PYTORCH_FP32, Verdict
from vmamba_deploy.pipeline.against import OtherArtefact, check_against
from vmamba_deploy.pipeline.events import OnEvent, Steps
from vmamba_deploy.pipeline.given_inputs import given_sets
from vmamba_deploy.pipeline.parity import (
    check_parity,
    load_reference,
    parity_fields,
    parity_inputs,
    preprocessing_of,
    reference_network,
)
from vmamba_deploy.pipeline.quantize import prove_anew
from vmamba_deploy.pipeline.report import write_reports
from vmamba_deploy.pipeline.source import engine_of, onnx_file_of
from vmamba_deploy.precisions import PRECISIONS
from vmamba_deploy.quantization.results import QuantizationProof
from vmamba_deploy.reports.model import Command
from vmamba_deploy.runtimes.base import check_batches
from vmamba_deploy.runtimes.polygraphy_data import save_polygraphy_io
from vmamba_deploy.runtimes.pytorch import PyTorchRuntime
from vmamba_deploy.runtimes.registry import check_required

if TYPE_CHECKING:
    from vmamba_deploy.models import LoadedModel
    from vmamba_deploy.parity.inputs import InputSet
    from vmamba_deploy.parity.results import RunResult
    from vmamba_deploy.runtimes.base import Runtime
    from vmamba_deploy.user_network.request import Builder


@dataclass(frozen=True)
class CompareOutcome:
    """What a comparison found.

    Attributes:
        parity: one result per runtime.
        engine: beside the ONNX file.
        proof: of what was quantized, if it was.
        required: runtimes that had to execute the files.
        reference: what they were compared with.
    """

    parity: tuple[RunResult, ...]
    engine: EngineFacts
    proof: QuantizationProof | None = None
    required: tuple[str, ...] = ()
    reference: str = PYTORCH_FP32

    @property
    def verdict(self) -> Verdict:
        """What was proven, and what was not."""
        faults = self.proof.failures if self.proof is not None else ()
        return Verdict(self.parity, self.engine, self.required, faults, self.reference)

    @property
    def exit_code(self) -> ExitCode:
        """6 when anything failed, else 0."""
        return ExitCode.PARITY_FAILED if self.verdict.failures else ExitCode.OK

    def as_json(self) -> dict[str, Any]:
        """The fields of the `result` line."""
        return {
            **self.verdict.as_json(),
            "parity": [parity_fields(result) for result in self.parity],
            **({"quantization": self.proof.as_json()} if self.proof is not None else {}),
            "exit_code": int(self.exit_code),
        }


def run_compare(
    path: Path,
    on_event: OnEvent,
    *,
    batches: tuple[int, ...] | None = None,
    weights: str | None = None,
    choice: WeightsChoice | None = None,
    builder: Builder | None = None,
    seed: int = 0,
    report: Path | None = None,
    polygraphy: Path | None = None,
    require: tuple[str, ...] = (),
    command: str | None = None,
    images: Path | None = None,
    limit: int | None = None,
    tolerance: Tolerance | None = None,
    against: Path | None = None,
) -> CompareOutcome:
    """Compare PATH, an artefact folder (verified first) or an ONNX file, with PyTorch in fp32.

    Of a quantized file its base is exported anew, and proven, and the file by it. Where another
    artefact takes PyTorch's place, that proof is left out.

    Args:
        path: what to compare.
        on_event: told every step.
        batches: sizes to compare at; None takes the two smallest that are usual for the task.
        weights: where they are, when not where the file says.
        choice: which network of theirs, when not the one that the file says.
        builder: of a user's network; its file is imported and run.
        seed: of the random inputs.
        report: folder for report.json and report.html.
        polygraphy: first part of the names of two files for `polygraphy run`, with the inputs and
            with the reference's outputs.
        require: runtimes that must execute the files here; one that does not is a failure.
        command: what was typed, for the report.
        images: to compare on as well, see `given_sets`.
        limit: of their number; None takes all.
        tolerance: of each element, beside the limits of the precision.
        against: another folder or ONNX file to compare with, in place of PyTorch; by the limits of
            the coarser precision of both.

    Raises:
        IntegrityError: the folder is not what its manifest says.
        InputFileError: not a file of ours, its weights are gone (name them with `weights`), or the
            other artefact takes or gives something else.
        UsageError: bad batch sizes, images that nothing prepares, a builder that is missing or has
            no place, no such runtime, or what PyTorch needs while it takes no part.
    """
    check_required(require)
    if against is not None and (weights or builder or choice not in (None, WeightsChoice())):
        raise UsageError(
            "weights and --network are PyTorch's, and --against takes its place",
            hint="leave them out",
        )
    if batches is not None:
        check_batches(batches)
    for folder in (report, polygraphy and polygraphy.parent):
        if folder is not None:
            make_folder(folder)
    steps = Steps(on_event)
    with steps.step("weights", f"reading {path}") as told:
        facts = OnnxModel.read(onnx_file_of(path))
        other = OtherArtefact.read(against) if against is not None else None
        loaded = load_reference(facts, weights, choice, builder) if other is None else None
        told.append(loaded.source if loaded is not None else f"{path} and {against}")
    preprocessing = loaded.preprocessing if loaded is not None else preprocessing_of(facts)
    taken = other.narrower(facts) if other is not None else facts
    title = other.title if other is not None else PYTORCH_FP32
    batches = batches or facts.task.batches[:2]
    sets: list[InputSet] = []
    if images is not None:
        with steps.step("images", f"reading {images}") as told:
            sets = given_sets(images, taken, preprocessing, batch=batches[-1], limit=limit)
            told.append(f"{sum(one.batch for one in sets)} of {images}")
    with steps.step("parity", f"comparing with {title}") as told:
        engine, observer = engine_of(path), Observer(facts.task, preprocessing)
        if other is not None:
            inputs = [*parity_inputs(taken, preprocessing, batches, seed, engine), *sets]
            results = check_against(
                facts,
                other,
                inputs,
                engine=engine,
                progress=steps.progress,
                required=require,
                tolerance=tolerance,
            )
        elif loaded is not None:
            results = check_parity(
                facts,
                loaded,
                engine=engine,
                batches=batches,
                seed=seed,
                progress=steps.progress,
                witness=observer,
                required=require,
                sets=sets,
                tolerance=tolerance,
            )
        failed = sum(result.status == "failed" for result in results)
        told.append(f"{failed} of {len(results)} runtimes failed")
    proof = None
    if loaded is not None and PRECISIONS[facts.precision].quantized:
        with steps.step("proof", "proving what was quantized, by its base exported anew") as told:
            proof = prove_anew(
                facts,
                loaded,
                engine=engine,
                batches=batches,
                seed=seed,
                progress=steps.progress,
            )
            told += [f"{check.name} {check.status}" for check in proof.checks]
    if polygraphy is not None:
        with steps.step("polygraphy", "saving inputs and reference for polygraphy") as told:
            inputs = parity_inputs(taken, preprocessing, batches, seed, engine)
            told += _save_reference(polygraphy, facts, _reference(facts, loaded, other), inputs)
    if report is not None:
        with steps.step("report", "writing the report") as told:
            write_reports(
                report,
                facts=facts,
                loaded=loaded,
                engine=engine,
                results=results,
                seconds=steps.seconds,
                observer=observer if other is None else None,
                proof=proof,
                required=require,
                commands=[Command("Compare again", command)] if command else [],
                reference=title,
            )
            told.append(str(report))
    return CompareOutcome(results, engine, proof, require, title)


def _reference(
    facts: OnnxModel, loaded: LoadedModel | None, other: OtherArtefact | None
) -> Runtime:
    """What the files are compared with."""
    if other is not None:
        return other.runtime
    assert loaded is not None
    return PyTorchRuntime(reference_network(facts, loaded), facts.task)


def _save_reference(
    prefix: Path, facts: OnnxModel, reference: Runtime, inputs: list[InputSet]
) -> list[str]:
    """The names of the files with the images and with what the reference makes of them."""

    with closing(reference.open()) as session:
        files = save_polygraphy_io(
            prefix,
            [{facts.inputs[0].name: one.pixel_values, **one.others} for one in inputs],
            [session(one.pixel_values, **one.others) for one in inputs],
        )
    return [str(file) for file in files]
