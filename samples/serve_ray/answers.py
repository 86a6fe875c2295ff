"""What the service answers, by the task of the artefacts: everything that tells tasks apart."""

from __future__ import annotations

import base64
import io
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from vmamba_deploy.errors import UsageError
from vmamba_deploy.inference import Classifier, Detection, Detector, Model, Segmenter
from vmamba_deploy.inference.overlay import draw_detections, draw_label_map, draw_segmentation
from vmamba_deploy.preprocessing import PreparedImage, read_image
from vmamba_deploy.tasks import CLASSIFICATION, DETECTION, SEGMENTATION
from vmamba_deploy.tasks.classification import LOGITS
from vmamba_deploy.tasks.masks import coco_rle

OVERLAY_SIDE = 1280
"""The longer side of a drawing at most: one of a photograph would take longer than the model."""

Fields = dict[str, Any]
Outputs = Mapping[str, npt.NDArray[Any]]
Loaded = TypeVar("Loaded", bound=Model)
Pictured = TypeVar("Pictured", Segmenter, Detector)
Prepared = TypeVar("Prepared")


class Wishes(BaseModel):
    """What a request may ask for; a task takes what means something to it."""

    model_config = ConfigDict(frozen=True)

    top_k: int = Field(5, ge=1, le=1000, description="Classes, of which there may be fewer.")
    score_threshold: float = Field(0.3, ge=0, le=1, description="Leave out detections below.")
    masks: bool = Field(False, description="Which pixels are meant.")
    overlay: bool = Field(False, description="The picture with what was found drawn on it.")


class Answers(ABC, Generic[Loaded, Prepared]):
    """From an encoded image to the fields of an answer, in the steps of a replica.

    Args:
        model: of this task.
    """

    def __init__(self, model: Loaded) -> None:
        self.model = model

    @abstractmethod
    def prepare(self, image: bytes | npt.NDArray[np.uint8]) -> Prepared:
        """An encoded image, or a picture [h,w], as the model takes it.

        Raises:
            InputFileError: it cannot be read, or is none for this network.
        """

    @abstractmethod
    def batches(self, prepared: Sequence[Prepared]) -> Iterable[Sequence[int]]:
        """Places of images that one execution takes together."""

    @abstractmethod
    def run(self, prepared: Sequence[Prepared]) -> Sequence[Outputs]:
        """One execution: the network's outputs for each image, without the batch."""

    @abstractmethod
    def fields(
        self, encoded: bytes, prepared: Prepared, outputs: Outputs, wishes: Wishes
    ) -> Fields:
        """What the body of the answer says of one image."""

    @abstractmethod
    def are_sound(self, outputs: Outputs, classes: int | None) -> bool:
        """Whether finite outputs can be a network's of so many classes; None: nobody knows."""

    def check(self, prepared: Prepared) -> None:
        """Run the model.

        Raises:
            RuntimeError: its outputs are not what they should be.
        """
        (outputs,) = self.run([prepared])
        finite = all(np.isfinite(array).all() for array in outputs.values())
        labels = self.model.manifest.labels
        if not finite or not self.are_sound(outputs, len(labels) if labels else None):
            raise RuntimeError(f"the model answers a black image with {dict(outputs)}")


class ClassifierAnswers(Answers[Classifier, npt.NDArray[Any]]):
    """The most probable classes."""

    def prepare(self, image: bytes | npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        """See `Answers`."""
        return self.model.preprocess([image])

    def batches(self, prepared: Sequence[npt.NDArray[Any]]) -> Iterable[Sequence[int]]:
        """See `Answers`."""
        return [range(len(prepared))]

    def run(self, prepared: Sequence[npt.NDArray[Any]]) -> Sequence[Outputs]:
        """See `Answers`."""
        return [{LOGITS: row} for row in self.model(np.concatenate(prepared))]

    def fields(
        self, encoded: bytes, prepared: npt.NDArray[Any], outputs: Outputs, wishes: Wishes
    ) -> Fields:
        """See `Answers`."""
        (best,) = self.model.top(outputs[LOGITS][None], wishes.top_k)
        return {"predictions": [asdict(one) for one in best]}

    def are_sound(self, outputs: Outputs, classes: int | None) -> bool:
        """See `Answers`."""
        return classes is None or outputs[LOGITS].shape == (classes,)


class PictureAnswers(Answers[Pictured, PreparedImage]):
    """Of pictures that keep their ratio; those of one frame are run together."""

    def prepare(self, image: bytes | npt.NDArray[np.uint8]) -> PreparedImage:
        """See `Answers`."""
        return self.model.prepare([image])[0]

    def batches(self, prepared: Sequence[PreparedImage]) -> Iterable[Sequence[int]]:
        """See `Answers`."""
        return self.model.batches(prepared)

    def run(self, prepared: Sequence[PreparedImage]) -> Sequence[Outputs]:
        """See `Answers`."""
        return self.model.run_together(prepared)


class SegmenterAnswers(PictureAnswers[Segmenter]):
    """The classes of the pixels, with their shares."""

    def fields(
        self, encoded: bytes, prepared: PreparedImage, outputs: Outputs, wishes: Wishes
    ) -> Fields:
        """See `Answers`."""
        found = self.model.segmentation(prepared, outputs)
        fields: Fields = {
            "size": prepared.original,
            "exact": found.exact,
            "classes": [asdict(one) for one in found.classes()[: wishes.top_k]],
        }
        if wishes.masks:
            fields["labels"] = _png(draw_label_map(found))
        if wishes.overlay:
            fields["overlay"] = _overlay(draw_segmentation(read_image(encoded), found))
        return fields

    def are_sound(self, outputs: Outputs, classes: int | None) -> bool:
        """See `Answers`."""
        return _are_classes(outputs["labels"], classes)


class DetectorAnswers(PictureAnswers[Detector]):
    """Boxes with their classes and scores."""

    def fields(
        self, encoded: bytes, prepared: PreparedImage, outputs: Outputs, wishes: Wishes
    ) -> Fields:
        """See `Answers`."""
        found = self.model.detections(prepared, outputs, score_threshold=wishes.score_threshold)
        fields: Fields = {
            "size": prepared.original,
            "exact": found.exact,
            "detections": [_detection(one, wishes.masks) for one in found],
        }
        if wishes.overlay:
            drawn = draw_detections(read_image(encoded), found, self.model.palette)
            fields["overlay"] = _overlay(drawn)
        return fields

    def are_sound(self, outputs: Outputs, classes: int | None) -> bool:
        """See `Answers`."""
        return _are_classes(outputs["labels"][: int(outputs["count"])], classes)


_OF_TASK: Mapping[str, type[Answers[Any, Any]]] = {
    CLASSIFICATION.name: ClassifierAnswers,
    SEGMENTATION.name: SegmenterAnswers,
    DETECTION.name: DetectorAnswers,
}


def answers_of(task: str) -> type[Answers[Any, Any]]:
    """What answers for a task.

    Raises:
        UsageError: its outputs are for programs.
    """
    if task not in _OF_TASK:
        raise UsageError(
            f"artefacts for {task} are not served here",
            hint=f"give a folder for {', '.join(_OF_TASK)}",
        )
    return _OF_TASK[task]


def _are_classes(labels: npt.NDArray[Any], classes: int | None) -> bool:
    return bool((labels >= 0).all() and (classes is None or (labels < classes).all()))


def _detection(found: Detection, with_mask: bool) -> Fields:
    fields: Fields = {
        "label": found.label,
        "name": found.name,
        "score": found.score,
        "box": found.box,
    }
    return fields | {"mask": coco_rle(found.mask)} if with_mask else fields


def _overlay(drawn: Image.Image) -> str:
    drawn.thumbnail((OVERLAY_SIDE, OVERLAY_SIDE))
    return _png(drawn)


def _png(image: Image.Image) -> str:
    """As a URL that holds the file itself."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
