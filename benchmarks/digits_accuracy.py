"""Accuracy of the digits model in every runtime and precision.

`python -m benchmarks digits-accuracy` prints the table. Real labelled images, and weights that were
trained: what a user would see lost, if anything were.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

from samples.train_digits.digits_data import Digits, read_digits, write_images
from vmamba_deploy.artifacts.manifest import read_manifest
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.precisions import BASES, PRECISIONS, PrecisionName
from vmamba_deploy.runtimes.base import Runtime, Session

WEIGHTS = Path(__file__).parents[1] / "samples" / "train_digits" / "digits.safetensors"
BATCH = 64
SIDE = 32
CALIBRATION = 64
HAS_RTX = find_spec("tensorrt_rtx") is not None

Logits = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Outcome:
    """One runtime's answers beside those of PyTorch in fp32.

    Attributes:
        runtime, precision: what ran.
        skipped: why it did not; the figures are NaN then.
        accuracy: share of the images with the right label.
        agreement: share of the images with the label that PyTorch gives in fp32.
        largest_difference: of any logit from PyTorch's in fp32.
    """

    runtime: str
    precision: str
    skipped: str | None = None
    accuracy: float = float("nan")
    agreement: float = float("nan")
    largest_difference: float = float("nan")


def reference_logits(digits: Digits) -> Logits:
    """Logits [n,10] of the network in PyTorch, fp32, as trained."""
    from vmamba_deploy.models import load_weights
    from vmamba_deploy.runtimes.pytorch import PyTorchRuntime

    return logits_of(PyTorchRuntime(load_weights(str(WEIGHTS)).model).open(), digits)


def logits_of(session: Session, digits: Digits) -> Logits:
    """Logits [n,10] of all images, in batches of 64 and the rest."""
    pixels = digits.pixel_values()
    starts = range(0, len(pixels), BATCH)
    return np.concatenate([session(pixels[start : start + BATCH])["logits"] for start in starts])


def runtimes_of(folder: Path) -> list[Runtime]:
    """Every way to run the files of an artefact folder, and PyTorch in their precision."""
    from vmamba_deploy.pipeline.parity import load_reference, network
    from vmamba_deploy.runtimes.base import ModelFiles
    from vmamba_deploy.runtimes.registry import runtimes_on

    facts = OnnxModel.read(folder / "model.onnx")
    module = network(facts, load_reference(facts), facts.base)
    return runtimes_on(ModelFiles(facts, module, engine=read_manifest(folder).engine))


def measure(runtime: Runtime, precision: str, digits: Digits, reference: Logits) -> Outcome:
    """Run one runtime over all images, if it can run here."""
    status = runtime.status()
    if not status.available:
        return Outcome(runtime.name, precision, skipped=status.reason)
    session = runtime.open()
    try:
        logits = logits_of(session, digits)
    finally:
        session.close()
    answers = logits.argmax(axis=1)
    return Outcome(
        runtime.name,
        precision,
        accuracy=float(np.mean(answers == digits.labels)),
        agreement=float(np.mean(answers == reference.argmax(axis=1))),
        largest_difference=float(np.abs(logits - reference).max()),
    )


def table(outcomes: Iterable[Outcome]) -> str:
    """The outcomes as a Markdown table."""
    lines = [
        "| runtime | precision | accuracy | agreement with PyTorch fp32 | largest difference |",
        "|---|---|---|---|---|",
    ]
    for outcome in outcomes:
        figures = (
            f"{outcome.accuracy:.2%} | {outcome.agreement:.2%} | {outcome.largest_difference:.1e}"
            if outcome.skipped is None
            else f"not run: {outcome.skipped} | |"
        )
        lines.append(f"| {outcome.runtime} | {outcome.precision} | {figures} |")
    return "\n".join(lines)


def export_digits(
    output: Path,
    precision: PrecisionName,
    *,
    preprocess: bool = False,
    engine: bool = True,
    aoti: bool = False,
) -> Path:
    """Export the model as a user would, without the parity check; calibrated on its own images.

    Args:
        output: the artefact folder.
        precision: of the graph.
        preprocess: the graph takes uint8 NHWC and normalises itself.
        engine: build one, for batches of 1 to 64, where TensorRT-RTX is installed.
        aoti: compile an AOTInductor package for the CPU, which takes half a minute, where the
            precision has one.

    Returns:
        The folder that holds the files.
    """
    from vmamba_deploy.pipeline.export import run_export
    from vmamba_deploy.pipeline.plan import ExportPlan
    from vmamba_deploy.quantization.plan import QuantizationPlan
    from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan

    with tempfile.TemporaryDirectory() as temporary:
        images = write_images(read_digits("train").first(CALIBRATION), Path(temporary) / "train")
        plan = ExportPlan(
            model=None,
            weights=str(WEIGHTS),
            precision=precision,
            output=output,
            image_size=(SIDE, SIDE),
            preprocess=preprocess,
            build_engine=engine and HAS_RTX,
            check_parity=False,
            aoti=aoti and precision in BASES,
            aoti_device="cpu",
            engine=EnginePlan(flavour="rtx", batches=(1, BATCH // 2, BATCH)),
            quantization=QuantizationPlan(calibrate=str(images)),
        )
        return run_export(plan, lambda _event: None).folder


def print_accuracy() -> None:
    """Export the digits model in every precision and print the accuracy of every runtime."""
    digits = read_digits("test")
    reference = reference_logits(digits)
    accuracy = np.mean(reference.argmax(axis=1) == digits.labels)
    click.echo(f"PyTorch fp32: {accuracy:.2%} of {len(digits)} images\n")
    with tempfile.TemporaryDirectory() as temporary:
        outcomes = [
            measure(runtime, precision, digits, reference)
            for precision in PRECISIONS
            for runtime in runtimes_of(
                export_digits(Path(temporary) / precision, precision, aoti=True)
            )
        ]
    click.echo(table(outcomes))
