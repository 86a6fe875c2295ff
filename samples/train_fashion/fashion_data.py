"""Fashion-MNIST: where its four files are, that they are the known ones, and what is in them.

70,000 grey pictures of clothes of 28x28 pixels in ten classes (Xiao, Rasul and Vollgraf,
arXiv 1708.07747), under the MIT licence. Debian packages them as `dataset-fashion-mnist`.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt

from samples.training.images import LabelledImages
from vmamba_deploy.errors import EnvironmentProblem, InputFileError, IntegrityError
from vmamba_deploy.files import read_file, understood
from vmamba_deploy.native.fetch import debian_packages
from vmamba_deploy.preprocessing import IMAGENET_PREPROCESSING, Preprocessing

LABELS = (
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
PREPROCESSING: Preprocessing = IMAGENET_PREPROCESSING.for_size((32, 32))
"""Resize to 32x32, ImageNet's mean and standard deviation: as published for that size."""
VALIDATION_IMAGES = 5000
"""The last of the 60,000 for training; they are in no order."""
SPLITS = ("train", "validation", "test")

SHA256 = {
    "train-images-idx3-ubyte.gz": (
        "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7"
    ),
    "train-labels-idx1-ubyte.gz": (
        "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056"
    ),
    "t10k-images-idx3-ubyte.gz": "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
    "t10k-labels-idx1-ubyte.gz": "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
}
PACKAGE, SUITE = "dataset-fashion-mnist", "bookworm"
INSTALLED = Path("/usr/share/datasets/fashion-mnist")
"""Where the Debian package puts the files."""
OWN_FOLDER = Path(__file__).parents[2] / "build" / "fashion-mnist"
"""Where they may lie as well."""
_FETCHED = OWN_FOLDER.with_name("fashion-mnist-package")

_LARGEST_FILE_BYTES = 64 << 20
_UNSIGNED_BYTE = 8
_HINT = (
    f"apt-get install {PACKAGE}, or put the four .gz files of "
    f"github.com/zalandoresearch/fashion-mnist into {OWN_FOLDER}"
)


def read_fashion(split: str) -> LabelledImages:
    """The images of a split: `train` (55,000), `validation` (5,000) or `test` (10,000).

    Raises:
        EnvironmentProblem: the files are not there and cannot be fetched.
        IntegrityError: a file is not the known one.
    """
    folder, prefix = data_folder(), "t10k" if split == "test" else "train"
    names = (f"{prefix}-images-idx3-ubyte.gz", f"{prefix}-labels-idx1-ubyte.gz")
    for name in names:
        _check(folder / name)
    every = labelled_images(*(folder / name for name in names))
    parts = {
        "train": slice(0, -VALIDATION_IMAGES),
        "validation": slice(-VALIDATION_IMAGES, None),
        "test": slice(None),
    }
    return every[parts[split]]


def labelled_images(images: Path, labels: Path) -> LabelledImages:
    """Images and labels of two idx files.

    Raises:
        InputFileError: they cannot be read, or do not belong together.
    """
    pixels, classes = read_idx(images), read_idx(labels).astype(np.int64)
    if pixels.ndim != 3 or classes.shape != pixels.shape[:1]:
        raise InputFileError(
            f"{images} has the shape {pixels.shape}, {labels} {classes.shape}: they are not images "
            "and their labels"
        )
    return LabelledImages(np.arange(len(pixels)), pixels, classes, LABELS, PREPROCESSING)


def data_folder() -> Path:
    """The folder of the four files: installed, put into `build/`, or fetched there.

    Raises:
        EnvironmentProblem: they are nowhere, and Debian's mirror cannot be asked.
    """
    for folder in (INSTALLED, OWN_FOLDER):
        if all((folder / name).is_file() for name in SHA256):
            return folder
    try:
        debian_packages([PACKAGE], SUITE, _FETCHED)
    except EnvironmentProblem as problem:
        raise EnvironmentProblem(
            f"Fashion-MNIST is not on this machine: {problem.message}", hint=_HINT
        ) from problem
    return _FETCHED / INSTALLED.relative_to("/")


def read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """The array of unsigned bytes in a gzipped idx file (yann.lecun.com/exdb/mnist).

    Raises:
        InputFileError: it cannot be read, or holds something else.
    """
    packed = read_file(path, what="an idx file", limit_bytes=_LARGEST_FILE_BYTES)
    with understood(path, what="a gzipped idx file"):
        content = gzip.decompress(packed)
        kind, dimensions = content[:3], content[3]
        shape = struct.unpack_from(f">{dimensions}I", content, 4)
    header_bytes = 4 + 4 * dimensions
    if kind != bytes((0, 0, _UNSIGNED_BYTE)) or len(content) != header_bytes + math.prod(shape):
        raise InputFileError(f"{path} is no idx file of unsigned bytes, or not a whole one")
    return np.frombuffer(content, np.uint8, offset=header_bytes).reshape(shape)


def _check(path: Path) -> None:
    content = read_file(path, what="a file of Fashion-MNIST", limit_bytes=_LARGEST_FILE_BYTES)
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256[path.name]:
        raise IntegrityError(f"{path} has sha256 {found}, expected {SHA256[path.name]}", hint=_HINT)
