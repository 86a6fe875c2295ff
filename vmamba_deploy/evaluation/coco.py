"""Data sets as COCO writes them: one JSON file with images, categories and annotations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec

from vmamba_deploy.errors import InputFileError, UsageError
from vmamba_deploy.evaluation.classes import ModelClasses, assign_categories
from vmamba_deploy.evaluation.samples import DataSet, file_identity
from vmamba_deploy.files import read_file

_MAX_BYTES = 4 << 30
_HINT = "as instances_val2017.json: images, categories, and annotations with boxes and masks"


class _Image(msgspec.Struct):
    id: int
    file_name: str
    height: int
    width: int


class _Category(msgspec.Struct):
    id: int
    name: str


class _Annotation(msgspec.Struct):
    """`segmentation`: polygons, or an RLE; None where only boxes are known."""

    id: int
    image_id: int
    category_id: int
    bbox: Annotated[list[float], msgspec.Meta(min_length=4, max_length=4)]
    area: float
    iscrowd: int = 0
    segmentation: Any = None


class CocoFile(msgspec.Struct):
    """What is read of the file."""

    images: list[_Image]
    categories: list[_Category]
    annotations: list[_Annotation]


@dataclass(frozen=True)
class CocoImage:
    """One image of the file.

    Attributes:
        path, name: see `AnySample`.
        image_id: in the JSON file.
        truth: sha256 of that file.
    """

    path: Path
    name: str
    image_id: int
    truth: str

    def identity(self) -> str:
        """See `AnySample`."""
        return f"{self.name}\0{self.image_id}\0{self.truth}\0{file_identity(self.path)}"


@dataclass(frozen=True, kw_only=True)
class CocoSet(DataSet[CocoImage]):
    """Images with objects.

    Attributes:
        file: all that the JSON file says.
        categories: category id of each class of the model; None of one that the data do not have.
    """

    file: CocoFile
    categories: tuple[int | None, ...]


def read_coco(source: Path, images: Path | None, classes: ModelClasses) -> CocoSet:
    """List the images of a COCO file; no image is opened.

    Args:
        source: the JSON file.
        images: folder that its file names are relative to; None: the file's own.
        classes: of the model.

    Raises:
        InputFileError: no such file, another content, or an image that is not there.
        UsageError: the classes could be meant in more than one way.
    """
    import hashlib

    if source.is_dir():
        raise UsageError(f"{source} is a folder; objects are in a COCO file", hint=_HINT)
    content = read_file(source, what="a COCO file", limit_bytes=_MAX_BYTES)
    try:
        file = msgspec.json.decode(content, type=CocoFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputFileError(f"{source} is not a COCO file: {error}", hint=_HINT) from error
    _check(source, file)
    truth = hashlib.sha256(content).hexdigest()
    root = (images or source.parent).absolute()
    samples = tuple(
        CocoImage(root / one.file_name, one.file_name, one.id, truth) for one in file.images
    )
    missing = [one for one in samples if not one.path.is_file()]
    if missing:
        raise InputFileError(
            f"{source} names {len(missing)} images that are not there, the first: "
            f"{missing[0].path}",
            hint="say with --images where they are",
        )
    ordered = sorted(file.categories, key=lambda one: one.id)
    assigned = assign_categories([one.name for one in ordered], classes)
    categories: list[int | None] = [None] * classes.count
    for category in ordered:
        categories[assigned.index[category.name]] = category.id
    return CocoSet(
        source=source.absolute(),
        kind="coco",
        samples=samples,
        class_names=classes.names(),
        rule=assigned.rule,
        file=file,
        categories=tuple(categories),
    )


def _check(source: Path, file: CocoFile) -> None:
    """Raise InputFileError unless ids are unique, and those that annotations name are there."""
    if not file.images or not file.categories:
        raise InputFileError(f"{source} has no image or no category", hint=_HINT)
    images = _unique(source, "image", [one.id for one in file.images])
    categories = _unique(source, "category", [one.id for one in file.categories])
    _unique(source, "category name", [one.name for one in file.categories])
    _unique(source, "annotation", [one.id for one in file.annotations])
    for one in file.annotations:
        if one.image_id not in images or one.category_id not in categories:
            raise InputFileError(
                f"{source}: annotation {one.id} is of image {one.image_id} and category "
                f"{one.category_id}, one of which is not in the file"
            )


def _unique(source: Path, what: str, values: Sequence[int | str]) -> set[int | str]:
    found = set(values)
    if len(found) < len(values):
        raise InputFileError(f"{source} has two of one {what}")
    return found
