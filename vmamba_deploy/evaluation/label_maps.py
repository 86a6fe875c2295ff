"""Images with a class for every pixel, as ADE20K has them: folders `images` and `annotations`.

An annotation is a PNG file of one channel, with the image's name and size; 255 means that a pixel
does not count. Where label 0 is reduced it means the same, and 1 is the first class.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vmamba_deploy.errors import InputFileError, UsageError
from vmamba_deploy.evaluation.samples import (
    IMAGE_SUFFIXES,
    DataSet,
    file_identity,
    files_below,
    is_hidden,
)
from vmamba_deploy.files import open_file, understood

IGNORED = 255
"""What an annotation has where nothing is known."""
ADE_CLASSES = 150
_FOLDERS = ("images", "annotations")
_HINT = (
    "a data set has the folders images and annotations, and for each image annotations/NAME.png "
    "of its size"
)
_INDEX_MODES = frozenset({"1", "L", "P", "I", "I;16"})


@dataclass(frozen=True)
class SegmentedImage:
    """One image, and the file that has its labels.

    Attributes:
        path, name: see `AnySample`.
        annotation: a PNG file, absolute.
        reduced: whether its label 0 means nothing and 1 is the first class.
    """

    path: Path
    name: str
    annotation: Path
    reduced: bool

    def identity(self) -> str:
        """See `AnySample`."""
        files = f"{file_identity(self.path)}\0{file_identity(self.annotation)}"
        return f"{self.name}\0{self.reduced}\0{files}"


def read_label_maps(
    root: Path,
    class_names: tuple[str, ...],
    *,
    split: str | None = None,
    reduce_zero_label: bool | None = None,
) -> DataSet[SegmentedImage]:
    """List the images of a data set and their annotations; no file is opened.

    Args:
        root: of the folders `images` and `annotations`.
        class_names: of the model, by index.
        split: the folder below both, where there are several.
        reduce_zero_label: see `Source`.

    Raises:
        InputFileError: a folder, the images or an annotation is missing.
        UsageError: several splits and none is named, or a model whose classes reach 255.
    """
    if len(class_names) > IGNORED:
        raise UsageError(
            f"the model has {len(class_names)} classes; in an annotation {IGNORED} means that a "
            "pixel does not count"
        )
    reduced = reduce_zero_label
    if reduced is None:
        reduced = len(class_names) == ADE_CLASSES
    images, annotations = (_folder(root.absolute() / name, split) for name in _FOLDERS)
    samples, ignored = [], 0
    for path in files_below(images):
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            ignored += 1
            continue
        relative = path.relative_to(images)
        annotation = annotations / relative.with_suffix(".png")
        samples.append(SegmentedImage(path, relative.as_posix(), annotation, reduced))
    if not samples:
        raise InputFileError(f"{images} has no image in it", hint=_HINT)
    missing = [one for one in samples if not one.annotation.is_file()]
    if missing:
        raise InputFileError(
            f"{len(missing)} of {len(samples)} images have no annotation, the first: "
            f"{missing[0].annotation}",
            hint=_HINT,
        )
    rule = f"label {1 if reduced else 0} of an annotation is class 0, {IGNORED} does not count"
    if reduced:
        rule += ", nor does 0"
    return DataSet(root.absolute(), "label_maps", tuple(samples), class_names, rule, ignored)


def _folder(folder: Path, split: str | None) -> Path:
    if not folder.is_dir():
        raise InputFileError(f"there is no folder {folder}", hint=_HINT)
    if split is not None:
        if not (folder / split).is_dir():
            raise InputFileError(f"there is no folder {folder / split}")
        return folder / split
    below = sorted(one.name for one in folder.iterdir() if one.is_dir() and not is_hidden(one.name))
    if below and not any(one.is_file() for one in folder.iterdir()):
        raise UsageError(
            f"{folder} has the folders {', '.join(below[:5])}", hint="name one of them with --split"
        )
    return folder


def read_annotation(
    sample: SegmentedImage, size: tuple[int, int], classes: int
) -> npt.NDArray[np.int32]:
    """The true classes [h,w] of an image, `IGNORED` where none counts.

    Args:
        sample: whose file is read.
        size: height and width of the image.
        classes: of the model.

    Raises:
        InputFileError: no PNG of one channel, of another size, or with labels beyond the classes.
    """
    path = sample.annotation
    values = _read(path, size)
    labels = values.astype(np.int32)
    if sample.reduced:
        labels = np.where((values == 0) | (values == IGNORED), IGNORED, labels - 1)
    beyond = labels[(labels >= classes) & (labels != IGNORED)]
    if beyond.size:
        raise InputFileError(
            f"{path} has the label {int(beyond.max()) + sample.reduced}, the model {classes} "
            "classes",
            hint="--reduce-zero-label where 0 means nothing and 1 is the first class"
            if not sample.reduced
            else "--no-reduce-zero-label where 0 is the first class",
        )
    return labels


def _read(path: Path, size: tuple[int, int]) -> npt.NDArray[Any]:
    from PIL import Image

    with (
        open_file(path, what="an annotation") as file,
        understood(path, what="a PNG file of labels"),
        Image.open(file, formats=["PNG"]) as image,
    ):
        if image.mode not in _INDEX_MODES:
            raise InputFileError(
                f"{path} is {image.mode}, a picture for people; labels have one channel"
            )
        if (image.height, image.width) != size:
            raise InputFileError(
                f"{path} has {image.width}x{image.height} pixels, its image {size[1]}x{size[0]}"
            )
        return np.asarray(image)
