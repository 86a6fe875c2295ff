"""A look at what an artefact says of some images: in words, and drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vmamba_deploy.artifacts.atomic import atomic_write, make_folder
from vmamba_deploy.artifacts.manifest import read_manifest
from vmamba_deploy.errors import InputFileError, UsageError
from vmamba_deploy.inference import Classifier, Detector, Segmenter, load
from vmamba_deploy.inference.overlay import draw_detections, draw_label_map, draw_segmentation
from vmamba_deploy.preprocessing import MAX_PIXELS, read_image
from vmamba_deploy.tasks import CLASSIFICATION, DETECTION, SEGMENTATION

if TYPE_CHECKING:
    from PIL import Image

    from vmamba_deploy.inference import Detections, Model, Prediction, Segmentation, Slide
    from vmamba_deploy.tasks.classification import Activation
    from vmamba_deploy.tasks.palette import Palette
    from vmamba_deploy.tasks.segmentation import ClassShare

SCORE_THRESHOLD = 0.3
"""From this score on a detection is shown."""


@dataclass(frozen=True)
class ImagePredictions:
    """The most probable classes of an image, best first."""

    image: Path
    runtime: str
    activation: Activation
    predictions: tuple[Prediction, ...]


@dataclass(frozen=True)
class ImageSegmentation:
    """The classes of an image's pixels.

    Attributes:
        classes: the largest, largest first.
        drawn: the image tinted by class, where it was asked for.
        label_map: the classes as grey values, where it was asked for.
    """

    image: Path
    runtime: str
    segmentation: Segmentation
    classes: tuple[ClassShare, ...]
    drawn: Path | None
    label_map: Path | None


@dataclass(frozen=True)
class ImageDetections:
    """What is in an image, the surest first; `drawn` where it was asked for."""

    image: Path
    runtime: str
    detections: Detections
    drawn: Path | None


ImageResult = ImagePredictions | ImageSegmentation | ImageDetections


@dataclass(frozen=True)
class Look:
    """How results are shown.

    Attributes:
        top_k: classes per image.
        score_threshold: detections below are left out.
        slide: windows over pictures that are segmented; None: as a whole.
        output: folder to draw into; None draws nothing.
        max_pixels: largest height times width of an image.

    Raises:
        UsageError: `top_k` below 1.
    """

    top_k: int = 5
    score_threshold: float = SCORE_THRESHOLD
    slide: Slide | None = None
    output: Path | None = None
    max_pixels: int = MAX_PIXELS

    def __post_init__(self) -> None:
        if self.top_k < 1:
            raise UsageError(f"--top-k must be at least 1, got {self.top_k}")


def run_predict(
    images: Sequence[Path], artifact: Path, look: Look, *, runtime: str = "auto"
) -> Iterator[ImageResult]:
    """Yield what the artefact says of each image, in order.

    Args:
        images: files; every one is looked for before the artefact is opened.
        artifact: the artefact folder.
        look: how results are shown.
        runtime: `auto`, `trt`, `rtx`, `ort`, `ort-cuda` or `openvino`.

    Raises:
        InputFileError: no such file, or not an image; the message names it.
        UsageError: no image, a folder, an option that the artefact's task does not have, or an
            artefact of a task whose outputs are for programs.
        ResourceError: the disk is full.
        IntegrityError, EnvironmentProblem: see `vmamba_deploy.inference.load`.
    """
    _check_images(images)
    _check_task(artifact, look)
    with load(artifact, runtime=runtime, streams=1, max_pixels=look.max_pixels) as model:
        drawn = DrawnImages(look.output, look.max_pixels) if look.output is not None else None
        for start in range(0, len(images), model.max_batch):
            yield from _look(model, images[start : start + model.max_batch], look, drawn)


class DrawnImages:
    """Writes `NAME.overlay.png` and `NAME.labels.png` for images of a run.

    Images of one name in different folders get a number behind it.

    Args:
        folder: made where it is not there.
        max_pixels: largest height times width of an image.

    Raises:
        UsageError: the folder cannot be made.
    """

    def __init__(self, folder: Path, max_pixels: int) -> None:
        make_folder(folder)
        self._folder, self._max_pixels = folder, max_pixels
        self._written: set[str] = set()

    def segmentation(self, image: Path, result: Segmentation) -> Path:
        """The image with each pixel tinted in its class's colour."""
        pixels = read_image(image, max_pixels=self._max_pixels)
        return self._write(image, "overlay", draw_segmentation(pixels, result))

    def label_map(self, image: Path, result: Segmentation) -> Path:
        """The classes as grey values: 8 bits, 16 where there are more than 256."""
        return self._write(image, "labels", draw_label_map(result))

    def detections(self, image: Path, found: Detections, palette: Palette | None) -> Path:
        """The image with masks, boxes, names and scores."""
        pixels = read_image(image, max_pixels=self._max_pixels)
        return self._write(image, "overlay", draw_detections(pixels, found, palette))

    def _write(self, image: Path, kind: str, drawing: Image.Image) -> Path:
        name, number = f"{image.stem}.{kind}.png", 2
        while name in self._written:
            name, number = f"{image.stem}-{number}.{kind}.png", number + 1
        self._written.add(name)
        path = self._folder / name
        with atomic_write(path) as temporary:
            drawing.save(temporary, format="PNG")
        return path


def _look(
    model: Model, images: Sequence[Path], look: Look, drawn: DrawnImages | None
) -> Iterator[ImageResult]:
    if isinstance(model, Classifier):
        for image, best in zip(images, model.classify(images, top_k=look.top_k), strict=True):
            yield ImagePredictions(image, model.runtime, model.activation, best)
    elif isinstance(model, Segmenter):
        for image, result in zip(images, model.segment(images, slide=look.slide), strict=True):
            yield ImageSegmentation(
                image,
                model.runtime,
                result,
                tuple(result.classes()[: look.top_k]),
                drawn.segmentation(image, result) if drawn else None,
                drawn.label_map(image, result) if drawn else None,
            )
    elif isinstance(model, Detector):
        results = model.detect(images, score_threshold=look.score_threshold)
        for image, found in zip(images, results, strict=True):
            overlay = drawn.detections(image, found, model.palette) if drawn else None
            yield ImageDetections(image, model.runtime, found, overlay)


def _check_images(images: Sequence[Path]) -> None:
    if not images:
        raise UsageError("no image was named")
    for image in images:
        if image.is_dir():
            raise UsageError(
                f"{image} is a folder",
                hint="name files, `DIR/*.png`; `vmamba-deploy evaluate` takes folders",
            )
        if not image.exists():
            raise InputFileError(f"there is no file {image}")


def _check_task(artifact: Path, look: Look) -> None:
    if not artifact.is_dir():
        return  # `load` says it better
    manifest = read_manifest(artifact)
    if manifest.task not in (CLASSIFICATION.name, SEGMENTATION.name, DETECTION.name):
        manifest.require_classifier(artifact)
    if look.output is not None and manifest.task == CLASSIFICATION.name:
        raise UsageError(f"{artifact} names classes, which are not drawn", hint="drop --output")
    if look.slide is not None and manifest.task != SEGMENTATION.name:
        raise UsageError(
            f"{artifact} is for {manifest.task}; windows are for segmentation",
            hint="drop --window and --stride",
        )
