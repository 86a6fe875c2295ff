"""The export run: weights, ONNX file, engine, parity, manifest, and one swap at the end."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from vmamba_deploy import native
from vmamba_deploy.artifacts.engine_facts import EngineFacts
from vmamba_deploy.artifacts.manifest import (
    ONNX_NAME,
    PACKAGE_NAME,
    Manifest,
    Status,
    write_manifest,
)
from vmamba_deploy.artifacts.output_folder import OutputFolder, open_output_folder
from vmamba_deploy.errors import EnvironmentProblem, ExitCode
from vmamba_deploy.exporting.aoti_package import choose_device, export_aoti
from vmamba_deploy.exporting.onnx_file import chosen_task, export_onnx
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.files import human_size
from vmamba_deploy.models import resolve_preset
from vmamba_deploy.ops.torch_registration import LIBRARY as TORCH_LIBRARY
from vmamba_deploy.parity.compare import check_judged
from vmamba_deploy.parity.observer import Observer
from vmamba_deploy.parity.verdict import Verdict
from vmamba_deploy.pipeline.asked_options import OPTIONS_NAME
from vmamba_deploy.pipeline.engine import (
    add_libraries,
    build_engine_file,
    check_engine_plan,
    describe,
    no_engine,
    planned_sizes,
)
from vmamba_deploy.pipeline.events import OnEvent, Steps
from vmamba_deploy.pipeline.parity import check_parity, parity_fields
from vmamba_deploy.pipeline.plan import ExportPlan
from vmamba_deploy.pipeline.planned_steps import planned_steps
from vmamba_deploy.pipeline.quantize import narrow_scans, prove_quantized, quantize
from vmamba_deploy.pipeline.report import write_reports
from vmamba_deploy.pipeline.weights import find_operators, load_planned
from vmamba_deploy.precisions import PRECISIONS
from vmamba_deploy.preprocessing import IMAGENET_PREPROCESSING, Preprocessing
from vmamba_deploy.preprocessing.specification import RGB
from vmamba_deploy.quantization.results import QuantizationProof
from vmamba_deploy.reports.model import Command

if TYPE_CHECKING:
    from vmamba_deploy.exporting.options import AotiDevice
    from vmamba_deploy.models import LoadedModel
    from vmamba_deploy.parity.results import RunResult
    from vmamba_deploy.parity.witness import Witness
    from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan


# Report, plots, manifest and the two libraries.
_OTHER_FILES_BYTES = 30_000_000


@dataclass(frozen=True, repr=False)
class ExportOutcome:
    """What an export run left behind.

    Attributes:
        folder: where the files are; `<output>.failed` when parity failed.
        manifest: of that folder.
        parity: one result per runtime; empty when it was not asked for.
        seconds: of each step.
        proof: of what was quantized, if it was and was to be proven.
        required: runtimes that had to execute the files.
    """

    folder: Path
    manifest: Manifest
    parity: tuple[RunResult, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    proof: QuantizationProof | None = None
    required: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"ExportOutcome({self.status} in {self.folder}: {self.verdict.sentence})"

    @property
    def status(self) -> Status:
        """Of the manifest: `complete`, `unproven` or `failed`."""
        return self.manifest.status

    @property
    def files(self) -> dict[str, Path]:
        """Where each file of the manifest is, by its name."""
        return {name: self.folder / name for name in self.manifest.files}

    @property
    def verdict(self) -> Verdict:
        """What was proven, and what was not."""
        return _verdict(self.manifest.engine, self.parity, self.proof, self.required)

    @property
    def exit_code(self) -> ExitCode:
        """6 when parity failed, else 0."""
        return ExitCode.PARITY_FAILED if self.status == "failed" else ExitCode.OK

    def as_json(self) -> dict[str, Any]:
        """The fields of the `result` line."""
        described = self.manifest.as_json()
        return {
            **{key: described[key] for key in ("status", "preset", "precision", "weights")},
            **{key: described[key] for key in ("files", "engine")},
            **self.verdict.as_json(),
            "folder": str(self.folder),
            "parity": [parity_fields(result) for result in self.parity],
            **({"quantization": self.proof.as_json()} if self.proof is not None else {}),
            "seconds": self.seconds,
            "exit_code": int(self.exit_code),
        }


def run_export(plan: ExportPlan, on_event: OnEvent) -> ExportOutcome:
    """Export, build, prove and publish, as the plan asks.

    A failed parity check is an outcome, not an exception: its files and report are published to
    `<output>.failed`, and the output folder stays as it was.

    Raises:
        VmambaError: its class says which step cannot go on; nothing is published then.
    """

    steps = Steps(on_event, planned_steps(plan))
    preset = resolve_preset(plan.model, plan.task).name if plan.model else None
    if plan.build_engine:
        check_engine_plan(plan.engine, plan.precision)
    if plan.aoti:
        check_aoti_plan(plan.aoti_device)
    with open_output_folder(plan.output_folder(preset)) as output:
        if plan.network is not None:  # it is run when it is loaded
            find_operators(steps)
        loaded = load_planned(plan, steps)
        if plan.network is None:
            plan, loaded = _of_images(plan, loaded, steps)
        else:
            task = chosen_task(loaded, plan.export_options())
            plan = replace(plan, engine=plan.engine.for_task(task))
        if plan.check_parity:
            check_judged(chosen_task(loaded, plan.export_options()), PRECISIONS[plan.precision])
        output.require_space(_estimate_bytes(loaded, plan))
        return _run_in(output, loaded, plan, steps)


def _of_images(
    plan: ExportPlan, loaded: LoadedModel, steps: Steps
) -> tuple[ExportPlan, LoadedModel]:
    """The plan for the image size, and the network with the preprocessing, which are known now."""
    assert loaded.preprocessing is not None
    size = plan.image_size or loaded.preprocessing.crop_pixels
    plan = replace(plan, image_size=size)
    plan = replace(plan, engine=_checked_engine(plan, loaded))
    prepared = plan.preprocessing.applied(loaded.preprocessing.for_size(size))
    _warn_of_guesses(prepared, steps)
    return plan, replace(loaded, preprocessing=prepared)


def _checked_engine(plan: ExportPlan, loaded: LoadedModel) -> EnginePlan:
    """The plan of the engine for the task of the weights, which is known now.

    Raises:
        UsageError: the task does not take what was asked for.
    """
    options = plan.export_options()
    task, engine = chosen_task(loaded, options), plan.engine
    if engine.shapes is not None:
        planned_sizes(
            engine, task, options.size, free=plan.dynamic_size, channels_last=plan.preprocess
        )
    return engine.for_task(task)


def _warn_of_guesses(prepared: Preprocessing, steps: Steps) -> None:
    guessed = IMAGENET_PREPROCESSING.for_channels(prepared.channels)
    if prepared.channels != RGB and (prepared.mean, prepared.std) == (guessed.mean, guessed.std):
        steps.warn(
            f"the network takes {prepared.channels} channels, and nothing says their mean and std: "
            "they are guessed from ImageNet's; say yours with --mean and --std"
        )


def _run_in(
    output: OutputFolder, loaded: LoadedModel, plan: ExportPlan, steps: Steps
) -> ExportOutcome:

    onnx_path = output.staging / ONNX_NAME
    with TemporaryDirectory() as scratch:
        base = None
        if PRECISIONS[plan.precision].quantized:
            base = _export(loaded, Path(scratch) / ONNX_NAME, plan, steps)
            base, facts = quantize(
                base, loaded, onnx_path, plan.precision, plan.quantization, steps
            )
        else:
            facts = _export(loaded, onnx_path, plan, steps)
            if plan.quantization.asks_for_calibration:
                facts = narrow_scans(facts, loaded, plan.quantization, steps)
        return _finish(output, loaded, plan, steps, facts, base)


def _export(loaded: LoadedModel, path: Path, plan: ExportPlan, steps: Steps) -> OnnxModel:
    with steps.step("export", "exporting to ONNX") as told:
        facts = export_onnx(loaded, path, plan.export_options(), warn=steps.warn)
        told.append(f"opset {facts.opset}")
        told += [f"{count} {op_type}" for op_type, count in facts.nodes_by_op.items()]
        told.append(human_size(facts.size_bytes))
    return facts


def _finish(
    output: OutputFolder,
    loaded: LoadedModel,
    plan: ExportPlan,
    steps: Steps,
    facts: OnnxModel,
    base: OnnxModel | None,
) -> ExportOutcome:
    """Everything after the ONNX file; `base` is what was quantized, if it was."""
    if not plan.inline:
        add_libraries(output.staging, steps)
    if plan.build_engine:
        engine = build_engine_file(facts, plan.engine, steps)
    else:
        engine = no_engine("not asked for (--no-engine)", plan.engine)
    if plan.aoti:
        compile_package(output.staging, loaded, plan, steps)
    results: tuple[RunResult, ...] = ()
    proof: QuantizationProof | None = None
    observer = Observer(facts.task, loaded.preprocessing)
    if plan.check_parity:
        results = _prove(facts, loaded, engine, plan, steps, observer)
        if base is not None:
            proof = _prove_quantized(facts, base, loaded, engine, plan, steps)
    verdict = _verdict(engine, results, proof, plan.require)
    with steps.step("report", "writing the report"):
        write_reports(
            output.staging,
            facts=facts,
            loaded=loaded,
            engine=engine,
            results=results,
            seconds=steps.seconds,
            observer=observer,
            proof=proof,
            required=plan.require,
            commands=_commands(plan, output.failed if verdict.failures else output.target),
        )
    with steps.step("manifest", "describing the files"):
        if plan.asked is not None:
            repeated = plan.asked.text(output.target)
            (output.staging / OPTIONS_NAME).write_text(repeated, encoding="utf-8")
        described = describe(facts, engine, *_status(plan, verdict), source=loaded.source)
        manifest = write_manifest(output.staging, described)
    with steps.step("publish", "moving the files into place") as told:
        folder = output.publish(output.failed if verdict.failures else None)
        told.append(str(folder))
    return ExportOutcome(folder, manifest, results, steps.seconds, proof, plan.require)


def _commands(plan: ExportPlan, folder: Path) -> list[Command]:
    """How to make all of it again, where the export ran: there its weights are found."""
    name = str(folder)
    config = ["export", "--config", str(folder / OPTIONS_NAME), "--output", f"{name}-again"]
    compare = ["compare", name, "--report", f"{name}-compared"]
    return [
        Command(purpose, shlex.join(["vmamba-deploy", *words]))
        for purpose, words in (
            *([("Export again", config)] if plan.asked is not None else []),
            ("Compare again", compare),
            ("Measure times", ["bench", name]),
        )
    ]


def _verdict(
    engine: EngineFacts,
    results: Sequence[RunResult],
    proof: QuantizationProof | None,
    required: tuple[str, ...],
) -> Verdict:
    return Verdict(results, engine, required, proof.failures if proof is not None else ())


def _prove_quantized(
    facts: OnnxModel,
    base: OnnxModel,
    loaded: LoadedModel,
    engine: EngineFacts,
    plan: ExportPlan,
    steps: Steps,
) -> QuantizationProof:
    with steps.step("proof", f"proving what was quantized, and its base in {base.base}") as told:
        proof = prove_quantized(
            facts,
            base,
            loaded,
            engine=engine,
            batches=plan.engine.profile_batches,
            seed=plan.seed,
            progress=steps.progress,
        )
        told += [f"{check.name} {check.status}" for check in proof.checks]
        told.append(f"base {_tally(proof.base)}")
    return proof


def _status(plan: ExportPlan, verdict: Verdict) -> tuple[Status, str | None]:
    if verdict.failures:
        return "failed", f"parity failed: {'; '.join(verdict.failures)}"
    if not plan.check_parity:
        return "unproven", "not compared with PyTorch (--no-parity)"
    if verdict.status == "unproven":
        return "unproven", verdict.sentence
    return "complete", None


def _prove(
    facts: OnnxModel,
    loaded: LoadedModel,
    engine: EngineFacts,
    plan: ExportPlan,
    steps: Steps,
    witness: Witness,
) -> tuple[RunResult, ...]:
    with steps.step("parity", "comparing with PyTorch") as told:
        results = check_parity(
            facts,
            loaded,
            engine=engine,
            batches=plan.engine.profile_batches,
            seed=plan.seed,
            written_here=True,
            progress=steps.progress,
            witness=witness,
            given=plan.network.examples if plan.network is not None else None,
            required=plan.require,
        )
        told.append(_tally(results))
    return results


def _estimate_bytes(loaded: LoadedModel, plan: ExportPlan) -> int:
    """Each of the ONNX file and the engine holds the weights once, plus tables and kernels."""
    weights = sum(parameter.numel() for parameter in loaded.model.parameters())
    per_file = int(weights * PRECISIONS[plan.precision].bytes_per_weight * 1.2)
    files = 1 + plan.build_engine + plan.aoti
    return per_file * files + _OTHER_FILES_BYTES + (PACKAGE_BYTES if plan.aoti else 0)


def _tally(records: tuple[RunResult, ...]) -> str:
    counts = {
        status: sum(record.status == status for record in records)
        for status in ("passed", "failed", "skipped")
    }
    return ", ".join(f"{count} {status}" for status, count in counts.items() if count)


# Of code and library, beside the weights.
PACKAGE_BYTES = 30_000_000


def check_aoti_plan(device: AotiDevice) -> None:
    """Refuse before the export begins what would fail minutes later.

    Raises:
        UsageError: CUDA is asked for and PyTorch sees no GPU.
        EnvironmentProblem: libvmamba_torch.so can neither be found nor built.
    """

    choose_device(device)
    available, reason = native.available(TORCH_LIBRARY)
    if not available:
        raise EnvironmentProblem(f"lib{TORCH_LIBRARY}.so cannot be had: {reason}")


def compile_package(folder: Path, loaded: LoadedModel, plan: ExportPlan, steps: Steps) -> None:
    """Write model.pt2 and libvmamba_torch.so to the folder."""

    with steps.step("aoti", "compiling with AOTInductor") as told:
        library = native.library_path(TORCH_LIBRARY, progress=steps.progress)
        package = export_aoti(
            loaded,
            folder / PACKAGE_NAME,
            plan.export_options(),
            largest_batch=plan.engine.profile_batches[-1],
            device=plan.aoti_device,
        )
        shutil.copyfile(library, folder / library.name)
        told += [package.device, f"batches 1 to {package.largest_batch}"]
        told.append(human_size(package.size_bytes))
