"""Small labelled images of one split: their pixels as networks get them, and their files."""

from __future__ import annotations

import csv
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vmamba_deploy.artifacts.atomic import PARTIAL_PREFIX, explain_write_error
from vmamba_deploy.errors import UsageError
from vmamba_deploy.preprocessing import Preprocessing, preprocess


@dataclass(frozen=True)
class LabelledImages:
    """Images of one split.

    Attributes:
        numbers: [n] int64, position of each in its data set.
        images: [n, h, w] uint8, grey.
        labels: [n] int64, indices of `class_labels`.
        class_labels: name of each class.
        preprocessing: what a deployed model does to them.
    """

    numbers: npt.NDArray[np.int64]
    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    class_labels: tuple[str, ...]
    preprocessing: Preprocessing

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, part: slice) -> LabelledImages:
        """Those of a slice."""
        return replace(
            self, numbers=self.numbers[part], images=self.images[part], labels=self.labels[part]
        )

    def first(self, count: int) -> LabelledImages:
        """The first `count` of them."""
        return self[:count]

    def pixel_values(self) -> npt.NDArray[np.float32]:
        """[n, C, H, W] float32, through the preprocessing that deployed models get."""
        size = (self.preprocessing.channels, *self.preprocessing.crop_pixels)
        pixels = np.empty((len(self), *size), np.float32)
        for position, image in enumerate(self.images):
            pixels[position] = preprocess(image, self.preprocessing)
        return pixels

    def file_name(self, position: int) -> str:
        """`<label>/<number>.png` of the image at a position."""
        return f"{self.class_labels[self.labels[position]]}/{self.numbers[position]:04d}.png"


def write_images(images: LabelledImages, folder: Path) -> Path:
    """Write the images as PNG files, one folder per label, and `labels.csv` that lists them.

    The CSV has the columns path (relative to the CSV) and label.

    Args:
        images: what to write.
        folder: where; it must be empty or absent, and appears whole or not at all.

    Returns:
        `folder`.

    Raises:
        UsageError: the folder is not empty, or cannot be written.
        ResourceError: the disk is full.
    """
    from PIL import Image

    with _appearing(folder) as staging:
        for label in images.class_labels:
            (staging / label).mkdir()
        names = [images.file_name(position) for position in range(len(images))]
        for name, image in zip(names, images.images, strict=True):
            Image.fromarray(image).save(staging / name)
        with (staging / "labels.csv").open("w", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(("path", "label"))
            rows.writerows(
                (name, images.class_labels[label])
                for name, label in zip(names, images.labels, strict=True)
            )
    return folder


@contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """A hidden folder beside `folder` that takes its place when the block ends well."""
    staging = folder.with_name(f"{PARTIAL_PREFIX}{secrets.token_hex(6)}-{folder.name}")
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(
                f"{folder} exists and is not an empty folder", hint="name a new folder"
            )
        staging.mkdir(parents=True)
        yield staging
        staging.replace(folder)
    except OSError as error:
        raise explain_write_error(error, folder) or error from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
