"""A loaded model of whole pictures, which keep their ratio and so have sizes of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vmamba_deploy.artifacts.manifest import Manifest
from vmamba_deploy.inference.model import Images, Model, OpenModel, one_by_one
from vmamba_deploy.preprocessing import ImageSource, PreparedImage, prepare
from vmamba_deploy.tasks.inputs import SIZES
from vmamba_deploy.tasks.palette import Palette
from vmamba_deploy.tasks.task import Task

if TYPE_CHECKING:
    from vmamba_deploy.runtimes.base import Outputs

_PREPARED_AT_ONCE = 16
_BATCH_PIXELS = 1 << 20  # of one execution on pictures of a batch; a larger one goes alone


class PictureModel(Model):
    """A `Model` whose pictures are made to fit.

    Pictures that get the same frame go through the network together. A picture's results do not
    hang on which others come with it.

    Attributes:
        labels: names of the classes; None where the artefacts have none.
        palette: a colour for each class; None where the artefacts have none.
    """

    def __init__(self, manifest: Manifest, opened: OpenModel, task: Task) -> None:
        super().__init__(manifest, opened, task)
        self.labels = manifest.labels or None
        colours = manifest.palette or ()
        self.palette: Palette | None = [(red, green, blue) for red, green, blue in colours] or None

    def prepare(self, images: Images) -> list[PreparedImage]:
        """Each image as the network takes it, with its sizes (docs/preprocessing.md).

        Raises:
            InputFileError: an image that cannot be read, or is none for this network; the message
                names it.
            UsageError: one file where a sequence is expected.
        """
        return [self._prepared(image) for image in one_by_one(images)]

    def _prepared(self, image: ImageSource) -> PreparedImage:
        return prepare(image, self.preprocessing, max_pixels=self._opened.max_pixels)

    def batches(self, pictures: Sequence[PreparedImage]) -> Iterator[list[int]]:
        """Places of pictures that get one frame, as many as an execution should take."""
        by_shape: dict[tuple[int, ...], list[int]] = {}
        for place, picture in enumerate(pictures):
            by_shape.setdefault(picture.pixels.shape, []).append(place)
        for shape, places in by_shape.items():
            frame = int(np.prod(shape)) // self.preprocessing.channels
            most = max(1, min(self.max_batch, _BATCH_PIXELS // frame))
            for start in range(0, len(places), most):
                yield places[start : start + most]

    def run_together(self, pictures: Sequence[PreparedImage]) -> list[Outputs]:
        """What the network gives for each of some pictures of one frame, without the batch."""
        others: dict[str, npt.NDArray[Any]] = {}
        if SIZES in self.task.inputs:
            others[SIZES.name] = np.array([picture.resized for picture in pictures], np.int64)
        outputs = self.outputs(np.stack([picture.pixels for picture in pictures]), **others)
        return [
            {name: array[row] for name, array in outputs.items()} for row in range(len(pictures))
        ]

    def _answers(self, images: Images) -> Iterator[tuple[PreparedImage, Outputs]]:
        """Per image, in order, how it was prepared and what the network gives for it."""
        listed = one_by_one(images)
        for start in range(0, len(listed), _PREPARED_AT_ONCE):
            pictures = [self._prepared(one) for one in listed[start : start + _PREPARED_AT_ONCE]]
            answers: dict[int, Outputs] = {}
            for alike in self.batches(pictures):
                outputs = self.run_together([pictures[place] for place in alike])
                answers.update(zip(alike, outputs, strict=True))
            for place, picture in enumerate(pictures):
                yield picture, answers[place]
