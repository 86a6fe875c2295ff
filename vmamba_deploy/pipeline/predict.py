"""A look at what an artefact says of some images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vmamba_deploy.errors import InputFileError, UsageError
from vmamba_deploy.inference import load_classifier
from vmamba_deploy.preprocessing import MAX_PIXELS

if TYPE_CHECKING:
    from vmamba_deploy.inference import Prediction
    from vmamba_deploy.tasks.classification import Activation


@dataclass(frozen=True)
class ImagePredictions:
    """The most probable classes of an image, best first."""

    image: Path
    runtime: str
    activation: Activation
    predictions: tuple[Prediction, ...]


def run_predict(
    images: Sequence[Path],
    artifact: Path,
    *,
    runtime: str = "auto",
    top_k: int = 5,
    max_pixels: int = MAX_PIXELS,
) -> Iterator[ImagePredictions]:
    """Yield the predictions for each image, in order.

    Args:
        images: files; every one is looked for before the artefact is opened.
        artifact: the artefact folder.
        runtime: `auto`, `trt`, `rtx`, `ort` or `ort-cuda`.
        top_k: classes per image.
        max_pixels: largest height times width of an image.

    Raises:
        InputFileError: no such file, or not an image; the message names it.
        UsageError: no image, a folder, `top_k` below 1, or an artefact that is no classifier.
        IntegrityError, EnvironmentProblem: see `vmamba_deploy.inference.load`.
    """
    _check(images, top_k)

    with load_classifier(artifact, runtime=runtime, streams=1, max_pixels=max_pixels) as model:
        for start in range(0, len(images), model.max_batch):
            chunk = images[start : start + model.max_batch]
            for image, best in zip(chunk, model.classify(chunk, top_k=top_k), strict=True):
                yield ImagePredictions(image, model.runtime, model.activation, best)


def _check(images: Sequence[Path], top_k: int) -> None:
    if not images:
        raise UsageError("no image was named")
    if top_k < 1:
        raise UsageError(f"--top-k must be at least 1, got {top_k}")
    for image in images:
        if image.is_dir():
            raise UsageError(
                f"{image} is a folder",
                hint="name files, `DIR/*.png`; `vmamba-deploy evaluate` takes folders",
            )
        if not image.exists():
            raise InputFileError(f"there is no file {image}")
