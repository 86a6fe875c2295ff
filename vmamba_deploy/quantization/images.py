"""The inputs that a network is calibrated on, and what they were made of."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vmamba_deploy.artifacts.manifest import describe_file
from vmamba_deploy.errors import InputFileError, UsageError
from vmamba_deploy.evaluation.samples import IMAGE_SUFFIXES, files_below
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.parity.inputs import PHOTOS, photo_of_channels
from vmamba_deploy.preprocessing import Preprocessing
from vmamba_deploy.preprocessing.decode import ImageSource
from vmamba_deploy.preprocessing.transform import prepare
from vmamba_deploy.tasks.inputs import SIZES, completed_inputs

MAX_IMAGES = 256
Feed = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class CalibrationImages:
    """Images, and how each becomes the inputs of a file.

    Attributes:
        files: sha256 by name.
        sources: one a sample.
        model: whose inputs they become.
        preprocessing: of the model.
    """

    files: Mapping[str, str]
    sources: Sequence[ImageSource] = field(repr=False)
    model: OnnxModel
    preprocessing: Preprocessing

    def __len__(self) -> int:
        return len(self.sources)

    def feeds(self) -> Iterator[Feed]:
        """The inputs of one sample after the other, by name, in a batch of one image.

        Raises:
            InputFileError: an image that cannot be read.
        """
        first, *_ = self.model.inputs
        for source in self.sources:
            image = prepare(source, self.preprocessing)
            pixels = image.pixels[None]
            given = {SIZES.name: np.array([image.resized])} if self._takes_sizes else {}
            rows = slice(1, 3) if self.model.takes_bytes() else slice(2, 4)
            height, width = pixels.shape[rows]
            inputs = self.model.task.inputs
            others = completed_inputs(inputs, given, batch=1, size=(height, width))
            yield {first.name: pixels, **others}

    @property
    def _takes_sizes(self) -> bool:
        return SIZES in self.model.task.inputs


def calibration_images(
    folder: Path | None, model: OnnxModel, preprocessing: Preprocessing | None
) -> CalibrationImages:
    """Images of a folder, or the photographs of this package.

    Of a folder up to 256 are taken, evenly spaced in the order of their names; of the photographs
    the four quarters of each, which no comparison shows.

    Args:
        folder: images at any depth; None for the photographs.
        model: the file that is calibrated, which takes batches of one image.
        preprocessing: as the file says; None: it does not.

    Raises:
        InputFileError: no such folder, no image in it, or one that is no file.
        UsageError: the file does not say how images are prepared, or does not take one image.
    """
    prepared = _prepared(model, preprocessing)
    if folder is None:
        quarters = [part for photo in PHOTOS for part in _quarters(photo, prepared.channels)]
        files = {f"{photo}.jpg": _photo_sha256(photo) for photo in PHOTOS}
        return CalibrationImages(files, quarters, model, prepared)
    prepared.require_files("calibrate with photos, the photographs of this package")
    if not folder.is_dir():
        raise InputFileError(
            f"there is no folder {folder} of calibration images",
            hint="name a folder of images, or photos",
        )
    chosen = image_files(folder, MAX_IMAGES)
    files = {
        os.fspath(path.relative_to(folder)): describe_file(path, InputFileError).sha256
        for path in chosen
    }
    return CalibrationImages(files, chosen, model, prepared)


def image_files(folder: Path, most: int | None) -> list[Path]:
    """Images at any depth, so many at most (None: all), evenly spaced in the order of their names.

    Raises:
        InputFileError: there is none.
    """
    found = [path for path in files_below(folder) if path.suffix.lower() in IMAGE_SUFFIXES]
    if not found:
        raise InputFileError(
            f"{folder} has no image in it",
            hint=f"images end with {', '.join(sorted(IMAGE_SUFFIXES))}",
        )
    return [found[index] for index in _spread(len(found), most or len(found))]


def prepared_for(model: OnnxModel, preprocessing: Preprocessing) -> Preprocessing:
    """The same for the size of a file, so that all images have it."""
    sized = preprocessing.for_size(model.image_size())
    return replace(sized, normalisation_in_graph=model.takes_bytes(), fixed=sized.fit is not None)


def _prepared(model: OnnxModel, preprocessing: Preprocessing | None) -> Preprocessing:
    if preprocessing is None:
        raise UsageError(
            "nothing says how images become the inputs of this network, so it cannot be calibrated",
            hint="give inputs with --calibrate FILE.npz, an array each by its name; or say --mean "
            "and --std, where its input is an image",
        )
    batch = model.inputs[0].shape[0]
    if isinstance(batch, int) and batch != 1:
        raise UsageError(
            f"the file takes batches of {batch} alone, and calibration one image at a time",
            hint="leave the batch free",
        )
    return prepared_for(model, preprocessing)


def _spread(count: int, most: int) -> list[int]:
    if count <= most:
        return list(range(count))
    return [index * count // most for index in range(most)]


def _quarters(photo: str, channels: int) -> list[npt.NDArray[np.uint8]]:
    pixels = photo_of_channels(photo, channels)
    middle = pixels.shape[0] // 2, pixels.shape[1] // 2
    rows, columns = ((slice(side), slice(side, None)) for side in middle)
    return [pixels[row, column] for row in rows for column in columns]


def _photo_sha256(name: str) -> str:
    from importlib.resources import files

    content = (files("vmamba_deploy.parity") / "photos" / f"{name}.jpg").read_bytes()
    return hashlib.sha256(content).hexdigest()
