"""The part of an export that quantizes: calibration, the file, and the proof of both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeVar

from vmamba_deploy.artifacts.engine_facts import EngineFacts
from vmamba_deploy.artifacts.manifest import ONNX_NAME
from vmamba_deploy.artifacts.quantization_facts import CalibrationFacts, QuantizationFacts
from vmamba_deploy.errors import InputFileError
from vmamba_deploy.exporting.metadata import tool_versions
from vmamba_deploy.exporting.onnx_file import export_onnx
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.exporting.options import ExportOptions
from vmamba_deploy.files import human_size
from vmamba_deploy.pipeline.events import Steps
from vmamba_deploy.pipeline.parity import check_parity, optional_outputs
from vmamba_deploy.precisions import PrecisionName
from vmamba_deploy.quantization.arrays import (
    CalibrationArrays,
    arrays_from,
    arrays_given,
    holds_arrays,
)
from vmamba_deploy.quantization.foreign import check_foreign_structure
from vmamba_deploy.quantization.images import CalibrationImages, calibration_images
from vmamba_deploy.quantization.plan import QuantizationPlan
from vmamba_deploy.quantization.proof import (
    check_engine,
    check_fused,
    check_launches,
    check_openvino,
)
from vmamba_deploy.quantization.quantize import (
    calibrate,
    calibrate_scans,
    smooth_form,
    with_narrow_scans,
    with_smooth_layers,
    write_calibrated,
    write_quantized,
)
from vmamba_deploy.quantization.results import QuantizationProof
from vmamba_deploy.quantization.selection import select
from vmamba_deploy.quantization.sensitivity import Sensitivity
from vmamba_deploy.quantization.smoothing import exponents_of, smooth
from vmamba_deploy.quantization.structure import check_structure

if TYPE_CHECKING:
    from vmamba_deploy.models import LoadedModel
    from vmamba_deploy.parity.compare import Progress
    from vmamba_deploy.parity.results import RunResult

Samples = CalibrationImages | CalibrationArrays
Facts = TypeVar("Facts", bound=CalibrationFacts)
_SMOOTH_ENOUGH = 0.9
"""Of the outputs' error, what may be left at most; a smaller gain is of these images alone."""
_NO_ENGINE = EngineFacts(built=False, reason="a base is proven without one")


def quantize(
    base: OnnxModel,
    loaded: LoadedModel,
    path: Path,
    precision: PrecisionName,
    plan: QuantizationPlan,
    steps: Steps,
) -> tuple[OnnxModel, OnnxModel]:
    """Write the quantized form of an exported file.

    Over an fp16 base the results of scans become float16 as well, in both files, where the images
    say that they fit; and layers are smoothed, in both, where the plan asks for it and it helps.

    Args:
        base: the file.
        loaded: the fp32 network it was made from.
        path: of the new file.
        precision: that is asked for.
        plan: how to quantize.
        steps: told of calibration and selection.

    Returns:
        The base, as it was quantized, and the new file.

    Raises:
        VmambaError: as `calibration_images`, `calibrate`, `select` and `write_quantized`.
    """
    look = partial(calibrate, precision=precision)
    images, facts = _calibrated(base, loaded, plan, steps, look)
    base = with_narrow_scans(base) if _narrows(facts, steps) else base
    if plan.tries_smoothing:
        base, facts = _smoothed(base, facts, precision, images, steps)
    if plan.max_nmse is not None:
        with steps.step("select", "choosing layers") as told:
            sensitivity = Sensitivity(base, facts, precision, images)
            facts = select(facts, plan.max_nmse, sensitivity, steps.progress)
            told.append(f"NMSE {facts.nmse:.1e} of {plan.max_nmse:.1e} on calibration images")
    with steps.step("quantize", f"quantizing to {precision}") as told:
        quantized = write_quantized(base, facts, precision, path)
        told.append(f"{facts.products} of {len(facts.layers)} layers")
        told.append(f"{facts.share:.0%} of their multiply-adds")
        told.append(human_size(quantized.size_bytes))
    return base, quantized


def _smoothed(
    base: OnnxModel,
    facts: QuantizationFacts,
    precision: PrecisionName,
    images: Samples,
    steps: Steps,
) -> tuple[OnnxModel, QuantizationFacts]:
    """The base with smooth layers and their record, where that lowers the outputs' error."""
    with steps.step("smooth", "smoothing what layers read") as told:
        smoothed = smooth(base, facts, images, steps.progress)
        exponents = exponents_of(smoothed)
        if not exponents:
            told.append("no layer would gain by it")
            return base, facts
        forms = (base, facts), (smooth_form(base, exponents), smoothed)
        names = list(facts.quantized)
        before, after = (
            Sensitivity(form, record, precision, images).nmse(names, whole=True)
            for form, record in forms
        )
        told.append(f"{len(exponents)} layers, NMSE of all {before:.1e} without, {after:.1e} with")
        if after > _SMOOTH_ENOUGH * before:
            told.append("left as they were")
            return base, facts
        return with_smooth_layers(base, exponents), smoothed


def narrow_scans(
    file: OnnxModel, loaded: LoadedModel, plan: QuantizationPlan, steps: Steps
) -> OnnxModel:
    """Write an exported file anew, with the results of scans in float16 where they fit.

    Args:
        file: in fp16.
        loaded: the fp32 network it was made from.
        plan: on what to calibrate.
        steps: told of it.

    Returns:
        The file as it is then, at its path, with the record of the calibration.

    Raises:
        VmambaError: as `calibration_images` and `calibrate_scans`.
    """
    _, facts = _calibrated(file, loaded, plan, steps, calibrate_scans)
    _narrows(facts, steps)
    return write_calibrated(file, facts)


def _calibrated(
    file: OnnxModel,
    loaded: LoadedModel,
    plan: QuantizationPlan,
    steps: Steps,
    look: Callable[[OnnxModel, Samples, Callable[[str, float | None], None]], Facts],
) -> tuple[Samples, Facts]:
    """What a file is calibrated on, and what was seen."""
    with steps.step("calibrate", f"calibrating on {plan.said}") as told:
        images = _calibration(plan, file, loaded)
        facts = look(file, images, steps.progress)
        told.append(f"{len(images)} samples of {len(images.files)} files")
        if facts.largest_scan is not None:
            written = "float16" if facts.narrow_scans else "float32"
            told.append(f"scans reach {facts.largest_scan:.3g} and write {written}")
    return images, facts


def _narrows(facts: CalibrationFacts, steps: Steps) -> bool:
    """Whether scans write float16; where their results are too large, that is told."""
    if facts.largest_scan is not None and not facts.narrow_scans:
        steps.warn(
            f"results of scans reach {facts.largest_scan:.4g}, more than an eighth of what float16 "
            "holds: they stay float32, which costs time and not accuracy"
        )
    return facts.narrow_scans


def _calibration(plan: QuantizationPlan, base: OnnxModel, loaded: LoadedModel) -> Samples:
    if plan.samples:
        return arrays_given(plan.samples, base)
    if plan.folder is not None and holds_arrays(plan.folder):
        return arrays_from(plan.folder, base)
    return calibration_images(plan.folder, base, loaded.preprocessing)


def prove_quantized(
    quantized: OnnxModel,
    base: OnnxModel,
    loaded: LoadedModel,
    *,
    engine: EngineFacts,
    batches: Sequence[int],
    seed: int = 0,
    progress: Progress,
) -> QuantizationProof:
    """Prove a quantized file by its base and its structure.

    Args:
        quantized: the file, read back from disk.
        base: the file before, of this process.
        loaded: the fp32 network it was made from.
        engine: of the file.
        batches: sizes to compare the base at; the first counts.
        seed: of the random inputs.
        progress: told how far it is.

    Raises:
        InputFileError: the file does not say how it was quantized.
    """
    facts = quantized.quantization
    if facts is None:
        raise InputFileError(f"{quantized.path} does not say how it was quantized")
    runs = _base_runs(base, loaded, batches, seed, progress)
    checks = (
        check_structure(base, quantized, facts),
        check_fused(quantized, facts),
        check_openvino(quantized, facts),
        check_engine(quantized, facts, engine),
        check_launches(quantized, engine),
    )
    return QuantizationProof(facts, runs, checks)


def _base_runs(
    base: OnnxModel, loaded: LoadedModel, batches: Sequence[int], seed: int, progress: Progress
) -> tuple[RunResult, ...]:
    """The file before against PyTorch, at the first of the batches."""
    return check_parity(
        base,
        loaded,
        engine=_NO_ENGINE,
        batches=batches[:1],
        seed=seed,
        written_here=True,
        progress=progress,
    )


def prove_anew(
    quantized: OnnxModel,
    loaded: LoadedModel,
    *,
    engine: EngineFacts,
    batches: Sequence[int],
    seed: int = 0,
    progress: Progress,
) -> QuantizationProof:
    """Prove a quantized file that was written earlier, here or by another tool.

    Its base is exported anew from the weights. Another release of PyTorch's exporter may write
    another graph for them; then as much is shown as of the file of another tool.

    Args:
        quantized: the file.
        loaded: the fp32 network it was made from.
        engine: of the file.
        batches: sizes to compare the base at; the first counts.
        seed: of the random inputs.
        progress: told how far it is.

    Raises:
        VmambaError: the network cannot be exported.
    """
    with TemporaryDirectory() as folder:
        progress("exporting the base", 0.0)
        base = exported_base(quantized, loaded, Path(folder))
        if quantized.quantization is not None:
            proof = prove_quantized(
                quantized,
                base,
                loaded,
                engine=engine,
                batches=batches,
                seed=seed,
                progress=progress,
            )
            said = quantized.structured("tool_versions")
            if said == tool_versions() or not proof.failures:
                return proof
            # What runtimes made of the file hangs on no exporter.
            _, *others = proof.checks
            structure = check_foreign_structure(base, quantized)
            return replace(proof, checks=(structure, *others))
        runs = _base_runs(base, loaded, batches, seed, progress)
        return QuantizationProof(None, runs, (check_foreign_structure(base, quantized),))


def exported_base(quantized: OnnxModel, loaded: LoadedModel, folder: Path) -> OnnxModel:
    """The file before, exported anew to a folder from the weights of a quantized one."""
    task = quantized.task
    if task.first is not None:
        options = ExportOptions(precision=quantized.base, opset=quantized.opset)
    else:
        options = ExportOptions(
            precision=quantized.base,
            opset=quantized.opset,
            image_size=quantized.image_size(),
            dynamic_size=quantized.has_free_size(),
            dynamic_batch=isinstance(quantized.inputs[0].shape[0], str),
            preprocess=quantized.takes_bytes(),
            inline=not quantized.our_nodes,
            task=task.name,
            outputs=optional_outputs(quantized),
        )
    base = export_onnx(loaded, folder / ONNX_NAME, options)
    facts = quantized.quantization or quantized.calibration
    if facts is not None and facts.narrow_scans:
        base = with_narrow_scans(base)
    if quantized.quantization is not None and (factors := exponents_of(quantized.quantization)):
        base = with_smooth_layers(base, factors)
    return base
