"""scikit-learn's handwritten digits: the fixed split, the pixels, and the images as files.

1797 real scans of 8x8 pixels in ten classes (Alpaydin and Kaynak, 1998).
"""

from __future__ import annotations

import csv
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from vmamba_deploy.artifacts.atomic import PARTIAL_PREFIX, explain_write_error
from vmamba_deploy.errors import EnvironmentProblem, UsageError
from vmamba_deploy.preprocessing import IMAGENET_PREPROCESSING, Preprocessing, preprocess

Split = Literal["train", "test"]

LABELS = tuple("0123456789")
SPLIT_SEED = 0
TEST_SHARE = 0.25
"""Of the 1797 images, stratified by class: 450."""
PREPROCESSING: Preprocessing = IMAGENET_PREPROCESSING.for_size((32, 32))
"""Resize to 32x32, ImageNet's mean and standard deviation: as published for that size."""

_BRIGHTEST = 16


@dataclass(frozen=True)
class Digits:
    """Images of one split.

    Attributes:
        numbers: [n] int64, position of each in scikit-learn's data set.
        images: [n, 8, 8] uint8, grey.
        labels: [n] int64, 0..9.
    """

    numbers: npt.NDArray[np.int64]
    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int) -> Digits:
        """The first `count` of them."""
        return Digits(self.numbers[:count], self.images[:count], self.labels[:count])

    def pixel_values(self) -> npt.NDArray[np.float32]:
        """[n, 3, 32, 32] float32, through the preprocessing that deployed models get."""
        return np.stack([preprocess(image, PREPROCESSING) for image in self.images])

    def file_name(self, position: int) -> str:
        """`<label>/<number>.png` of the image at a position."""
        return f"{LABELS[self.labels[position]]}/{self.numbers[position]:04d}.png"


def read_digits(split: Split) -> Digits:
    """The images of a split; they come with scikit-learn, nothing is downloaded.

    Raises:
        EnvironmentProblem: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split
    except ImportError as error:
        raise EnvironmentProblem(
            f"the digits come with scikit-learn, which cannot be imported: {error}",
            hint="pip install scikit-learn",
        ) from error

    bunch = load_digits()
    labels = bunch.target.astype(np.int64)
    train, test = train_test_split(
        np.arange(len(labels)), test_size=TEST_SHARE, stratify=labels, random_state=SPLIT_SEED
    )
    chosen = np.sort(train if split == "train" else test)
    return Digits(chosen, _to_bytes(bunch.images[chosen]), labels[chosen])


def write_images(digits: Digits, folder: Path) -> Path:
    """Write the images as PNG files, one folder per label, and `labels.csv` that lists them.

    The CSV has the columns path (relative to the CSV) and label.

    Args:
        digits: what to write.
        folder: where; it must be empty or absent, and appears whole or not at all.

    Returns:
        `folder`.

    Raises:
        UsageError: the folder is not empty, or cannot be written.
        ResourceError: the disk is full.
    """
    from PIL import Image

    with _appearing(folder) as staging:
        for label in LABELS:
            (staging / label).mkdir()
        names = [digits.file_name(position) for position in range(len(digits))]
        for name, image in zip(names, digits.images, strict=True):
            Image.fromarray(image).save(staging / name)
        with (staging / "labels.csv").open("w", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(("path", "label"))
            rows.writerows(
                (name, LABELS[label]) for name, label in zip(names, digits.labels, strict=True)
            )
    return folder


def _to_bytes(images: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """0..16 to 0..255, halves up: round(v * 255 / 16)."""
    return np.floor(images * 255 / _BRIGHTEST + 0.5).astype(np.uint8)


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
