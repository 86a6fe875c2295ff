"""A loaded classifier: images to the most probable classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from vmamba_deploy.artifacts.manifest import Manifest
from vmamba_deploy.errors import UsageError
from vmamba_deploy.inference.model import Images, Model, OpenModel, one_by_one
from vmamba_deploy.tasks import CLASSIFICATION
from vmamba_deploy.tasks.classification import (
    LOGITS,
    Prediction,
    chosen_activation,
    top_predictions,
)
from vmamba_deploy.tasks.task import Task

if TYPE_CHECKING:
    from vmamba_deploy.tasks.classification import Logits


class Classifier(Model):
    """A `Model` that classifies images.

    Attributes:
        labels: names of the classes; None where the artefacts have none.
        activation: what turns its logits into probabilities.
    """

    def __init__(self, manifest: Manifest, opened: OpenModel, task: Task = CLASSIFICATION) -> None:
        super().__init__(manifest, opened, task)
        self.labels = manifest.labels or None
        self.activation = chosen_activation(manifest.activation, manifest.classes)

    def classify(self, images: Images, *, top_k: int = 5) -> list[tuple[Prediction, ...]]:
        """The most probable classes of images.

        Args:
            images: paths, encoded files as bytes, Pillow images, or uint8 arrays [H,W,C] or [H,W]
                grey. One array alone is one image; [B,H,W,C] are B images.
            top_k: classes per image; all of them where there are fewer.

        Returns:
            Per image its `top_k` predictions, the most probable first.

        Raises:
            InputFileError: an image that cannot be read, or is none for this network; the message
                names it.
            UsageError: `top_k` below 1, one file where a sequence is expected, or an array that is
                neither an image nor a batch.
        """
        if top_k < 1:
            raise UsageError(f"top_k must be at least 1, got {top_k}")
        listed = one_by_one(images)
        return self.top(self(self.preprocess(listed)), top_k) if listed else []

    def __call__(self, pixel_values: npt.NDArray[np.generic]) -> Logits:  # type: ignore[override]
        """Logits of prepared images: the one output itself, where other models give them by name.

        Args:
            pixel_values: as `preprocess` gives them, any batch size.

        Returns:
            [B, classes] float32.

        Raises:
            UsageError: another shape or dtype than the model takes.
            ClosedError: the model is closed.
        """
        return self.outputs(pixel_values)[LOGITS]

    def top(self, logits: Logits, top_k: int) -> list[tuple[Prediction, ...]]:
        """The `top_k` most probable classes of logits [B, classes]; ties go to the lower index."""
        return top_predictions(logits, self.labels, top_k, self.activation)
