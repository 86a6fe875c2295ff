"""A loaded network for segmentation: images to the classes of their pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from vmamba_deploy.errors import UsageError
from vmamba_deploy.inference.model import Images, one_by_one
from vmamba_deploy.inference.picture_model import PictureModel
from vmamba_deploy.preprocessing import PreparedImage, prepare
from vmamba_deploy.tasks.label_maps import labels_from_logits, labels_from_map, resize_logits
from vmamba_deploy.tasks.segmentation import HEAD_LOGITS, LABELS, Segmentation

if TYPE_CHECKING:
    from vmamba_deploy.runtimes.base import Outputs
    from vmamba_deploy.tasks.windows import Slide


Pixels = npt.NDArray[np.float32] | npt.NDArray[np.uint8]


class Segmenter(PictureModel):
    """A `PictureModel` that tells the class of every pixel."""

    def segment(self, images: Images, *, slide: Slide | None = None) -> list[Segmentation]:
        """The classes of the pixels of images.

        A file with the output `logits` gives what the published evaluation finds; one with `labels`
        alone the nearest labels of the network's input.

        Args:
            images: paths, encoded files as bytes, Pillow images, or uint8 arrays [H,W,C] or [H,W]
                grey. One array alone is one image; [B,H,W,C] are B images.
            slide: windows that see a part of the resized picture each; where they overlap, their
                logits are averaged. None: the network sees it whole, as the published ones do.

        Returns:
            One for each image, of the image's own size.

        Raises:
            InputFileError: an image that cannot be read, or is none for this network; the message
                names it.
            UsageError: one file where a sequence is expected, windows over a network without
                logits, or a size that the artefacts do not take.
        """
        if slide is None:
            return [self.segmentation(*answer) for answer in self._answers(images)]
        if HEAD_LOGITS.name not in self.task.output_names:
            raise UsageError(
                "windows need the network's logits, which these artefacts do not give",
                hint=f"export with --outputs {LABELS.name},{HEAD_LOGITS.name}",
            )
        return [self._through_windows(slide, picture) for picture in self._unframed(images)]

    def segmentation(self, picture: PreparedImage, outputs: Outputs) -> Segmentation:
        """The classes of a prepared picture's pixels.

        Args:
            picture: as `prepare` gives it.
            outputs: of the network for it, as `run_together` gives them.
        """
        original, resized = picture.original, picture.resized
        logits = outputs.get(HEAD_LOGITS.name)
        if logits is not None:
            padded = self.preprocessing.padded(*resized)
            labels = labels_from_logits(logits, padded=padded, resized=resized, original=original)
            return self._named(labels, exact=True)
        labels = labels_from_map(outputs[LABELS.name], resized=resized, original=original)
        return self._named(labels, exact=resized == original)

    def _named(self, labels: npt.NDArray[np.int32], *, exact: bool) -> Segmentation:
        return Segmentation(labels, exact=exact, names=self.labels, palette=self.palette)

    def _unframed(self, images: Images) -> Iterator[PreparedImage]:
        """Images that need not fit into the network's frame, for windows do."""
        free = replace(self.preprocessing, fixed=False)
        for image in one_by_one(images):
            yield prepare(image, free, max_pixels=self._opened.max_pixels)

    def _through_windows(self, slide: Slide, picture: PreparedImage) -> Segmentation:
        size = picture.resized
        total: npt.NDArray[np.float32] | None = None
        seen = np.zeros(size, np.float32)
        for rows, columns in slide.windows(size):
            part = self._part(picture.pixels, rows, columns)
            logits = self._window_logits(part, seen[rows, columns].shape)
            if total is None:
                total = np.zeros((len(logits), *size), np.float32)
            total[:, rows, columns] += logits
            seen[rows, columns] += 1
        assert total is not None  # a picture has a window at least
        labels = labels_from_logits(
            total / seen, padded=size, resized=size, original=picture.original
        )
        return self._named(labels, exact=True)

    def _part(self, pixels: Pixels, rows: slice, columns: slice) -> Pixels:
        """Of [3,h,w], padded to the frame of a network that has one; or of bytes [h,w,3]."""
        if self.preprocessing.normalisation_in_graph:
            return pixels[rows, columns]
        height, width = rows.stop - rows.start, columns.stop - columns.start
        frame = self.preprocessing.padded(height, width)
        if height > frame[0] or width > frame[1]:
            raise UsageError(
                f"the network takes {frame[0]}x{frame[1]} pixels, so no windows of "
                f"{height}x{width}",
                hint="give smaller windows",
            )
        padding = ((0, 0), (0, frame[0] - height), (0, frame[1] - width))
        return np.pad(pixels[:, rows, columns].astype(np.float32), padding)

    def _window_logits(self, part: Pixels, window: tuple[int, int]) -> npt.NDArray[np.float32]:
        """[C,*window] of a part, of which what lies right of the window and below is padding."""
        logits = self.outputs(part[None])[HEAD_LOGITS.name][0]
        of_part = resize_logits(logits, self.preprocessing.padded(*window))
        return of_part[:, : window[0], : window[1]]
