"""A loaded network for detection: images to boxes with classes, scores and masks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmamba_deploy.errors import UsageError
from vmamba_deploy.inference.model import Images
from vmamba_deploy.inference.picture_model import PictureModel
from vmamba_deploy.preprocessing import PreparedImage
from vmamba_deploy.tasks.detection import Detections, detections_of

if TYPE_CHECKING:
    from vmamba_deploy.runtimes.base import Outputs


class Detector(PictureModel):
    """A `PictureModel` that finds things."""

    def detect(self, images: Images, *, score_threshold: float = 0.0) -> list[Detections]:
        """What is in images.

        Args:
            images: paths, encoded files as bytes, Pillow images, or uint8 arrays [H,W,C] or [H,W]
                grey. One array alone is one image; [B,H,W,C] are B images.
            score_threshold: detections below are left out; the network gives none of 0.05 or less.

        Returns:
            Per image up to 100 detections, the surest first, in pixels of the image.

        Raises:
            InputFileError: an image that cannot be read, or is none for this network; the message
                names it.
            UsageError: a threshold outside of 0 to 1, one file where a sequence is expected, or a
                size that the artefacts do not take.
        """
        if not 0 <= score_threshold <= 1:
            raise UsageError(f"the score threshold must be from 0 to 1, got {score_threshold}")
        return [
            self.detections(*answer, score_threshold=score_threshold)
            for answer in self._answers(images)
        ]

    def detections(
        self, picture: PreparedImage, outputs: Outputs, *, score_threshold: float = 0.0
    ) -> Detections:
        """What is in a prepared picture.

        Args:
            picture: as `prepare` gives it.
            outputs: of the network for it, as `run_together` gives them.
            score_threshold: detections below are left out.

        Raises:
            InputFileError: outputs that are not finite.
        """
        return detections_of(
            outputs,
            scale=picture.scale,
            size=picture.original,
            names=self.labels,
            score_threshold=score_threshold,
        )
