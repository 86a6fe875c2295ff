"""Accuracy of a trained sample in every runtime and precision, on images it has never seen.

`python -m benchmarks digits-accuracy` and `fashion-accuracy` measure it. Real labelled images, and
weights that were trained: what a user would see lost, if anything were.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.timing import machine_text
from samples.training.images import LabelledImages, write_images
from samples.training.sample import Sample
from vmamba_deploy.artifacts.manifest import read_manifest
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.precisions import BASES, PRECISIONS, BaseName, PrecisionName
from vmamba_deploy.quantization.plan import QuantizationPlan
from vmamba_deploy.runtimes.base import Runtime, Session
from vmamba_deploy.runtimes.cuda_driver import find_gpus

BATCH = 64
CALIBRATION_IMAGES = 256
"""The first training images; as many as an export takes at most."""
HAS_RTX = find_spec("tensorrt_rtx") is not None

Json = dict[str, Any]
Logits = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Outcome:
    """One runtime's answers beside those of PyTorch in fp32.

    Attributes:
        runtime, precision: what ran.
        images: that it answered; 0 where it did not run.
        skipped: why it did not.
        correct: images with the right label.
        agreeing: images with the label that PyTorch gives in fp32.
        lost, gained: images that are right in PyTorch in fp32 alone, and here alone.
        largest_difference: of any logit from PyTorch's in fp32.
    """

    runtime: str
    precision: str
    images: int = 0
    skipped: str | None = None
    correct: int = 0
    agreeing: int = 0
    lost: int = 0
    gained: int = 0
    largest_difference: float = float("nan")

    @property
    def accuracy(self) -> float:
        """Share of the images with the right label."""
        return self.correct / self.images

    @property
    def agreement(self) -> float:
        """Share of the images with the label that PyTorch gives in fp32."""
        return self.agreeing / self.images


def reference_logits(sample: Sample, images: LabelledImages) -> Logits:
    """Logits [n,K] of the network in PyTorch, fp32, as trained."""
    from vmamba_deploy.models import load_weights
    from vmamba_deploy.runtimes.pytorch import PyTorchRuntime

    return logits_of(PyTorchRuntime(load_weights(str(sample.weights)).model).open(), images)


def logits_of(session: Session, images: LabelledImages) -> Logits:
    """Logits [n,K] of all images, in batches of 64 and the rest."""
    starts = range(0, len(images), BATCH)
    return np.concatenate(
        [session(images[start : start + BATCH].pixel_values())["logits"] for start in starts]
    )


def runtimes_of(folder: Path) -> list[Runtime]:
    """Every way to run the files of an artefact folder, and PyTorch in their precision."""
    from vmamba_deploy.pipeline.parity import load_reference, network
    from vmamba_deploy.runtimes.base import ModelFiles
    from vmamba_deploy.runtimes.registry import runtimes_on

    facts = OnnxModel.read(folder / "model.onnx")
    module = network(facts, load_reference(facts), facts.base)
    return runtimes_on(ModelFiles(facts, module, engine=read_manifest(folder).engine))


def measure(runtime: Runtime, precision: str, images: LabelledImages, reference: Logits) -> Outcome:
    """Run one runtime over all images, if it can run here."""
    status = runtime.status()
    if not status.available:
        return Outcome(runtime.name, precision, skipped=status.reason)
    session = runtime.open()
    try:
        logits = logits_of(session, images)
    finally:
        session.close()
    return judged(runtime.name, precision, images, logits, reference)


def judged(
    runtime: str, precision: str, images: LabelledImages, logits: Logits, reference: Logits
) -> Outcome:
    """What logits [n,K] are worth beside those of PyTorch in fp32."""
    answers, expected = logits.argmax(axis=1), reference.argmax(axis=1)
    right, was_right = answers == images.labels, expected == images.labels
    return Outcome(
        runtime,
        precision,
        images=len(images),
        correct=int(right.sum()),
        agreeing=int((answers == expected).sum()),
        lost=int((was_right & ~right).sum()),
        gained=int((right & ~was_right).sum()),
        largest_difference=float(np.abs(logits - reference).max()),
    )


def export_sample(
    sample: Sample,
    output: Path,
    precision: PrecisionName,
    *,
    preprocess: bool = False,
    engine: bool = True,
    aoti: bool = False,
    base: BaseName | None = None,
    calibration: LabelledImages | None = None,
) -> Path:
    """Export a sample's network as a user would, without the parity check.

    Args:
        sample: whose weights.
        output: the artefact folder.
        precision: of the graph.
        preprocess: the graph takes uint8 NHWC and normalises itself.
        engine: build one, for batches of 1 to 64, where TensorRT-RTX is installed.
        aoti: compile an AOTInductor package for the CPU, which takes half a minute, where the
            precision has one.
        base: of a quantized precision; None: the usual one.
        calibration: what a quantized precision is calibrated on; None: the first training images.

    Returns:
        The folder that holds the files.
    """
    from vmamba_deploy.pipeline.export import run_export
    from vmamba_deploy.pipeline.plan import ExportPlan
    from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan

    with tempfile.TemporaryDirectory() as temporary:
        quantization = QuantizationPlan()
        if PRECISIONS[precision].quantized:
            images = calibration or sample.read("train").first(CALIBRATION_IMAGES)
            folder = write_images(images, Path(temporary) / "train")
            quantization = QuantizationPlan(base, str(folder))
        plan = ExportPlan(
            model=None,
            weights=str(sample.weights),
            precision=precision,
            output=output,
            image_size=sample.preprocessing.crop_pixels,
            preprocess=preprocess,
            build_engine=engine and HAS_RTX,
            check_parity=False,
            aoti=aoti and precision in BASES,
            aoti_device="cpu",
            engine=EnginePlan(flavour="rtx", batches=(1, BATCH // 2, BATCH)),
            quantization=quantization,
        )
        return run_export(plan, lambda _event: None).folder


def measure_accuracy(
    sample: Sample,
    images: LabelledImages,
    folder: Path,
    *,
    precisions: Iterable[PrecisionName] = PRECISIONS,
    aoti: bool = True,
    progress: Callable[[str], None] = lambda _text: None,
) -> Json:
    """Export a sample in each precision and judge every runtime of this machine.

    Args:
        sample: whose weights.
        images: to judge by.
        folder: for the artefact folders.
        precisions: of the graphs.
        aoti: also compile AOTInductor packages, half a minute each.
        progress: told what was judged.

    Returns:
        What `benchmarks/results/accuracy_<sample>.json` holds.
    """
    reference = reference_logits(sample, images)
    outcomes = []
    for precision in precisions:
        # As a user would for this machine: what is not quantized is in fp32 on a CPU.
        base: BaseName | None = (
            "fp32" if PRECISIONS[precision].quantized and not find_gpus().gpus else None
        )
        artifact = export_sample(sample, folder / precision, precision, aoti=aoti, base=base)
        for runtime in runtimes_of(artifact):
            outcome = measure(runtime, precision, images, reference)
            progress(f"{precision} {runtime.name}: {outcome.skipped or f'{outcome.accuracy:.2%}'}")
            outcomes.append(outcome)
    from vmamba_deploy.models.loading import load_model, weights_sha256

    return {
        "schema_version": 1,
        "sample": sample.name,
        "machine": machine_text(),
        "weights_sha256": weights_sha256(load_model(sample.weights).state_dict()),
        "weights_bytes": sample.weights.stat().st_size,
        "calibration_images": CALIBRATION_IMAGES,
        "reference": asdict(judged("pytorch", "fp32", images, reference, reference)),
        "rows": [asdict(outcome) for outcome in outcomes],
    }
