"""What the folder of a known data set must look like, checked before hours are spent on it.

A validation set that is unpacked in another way gives no error, only an accuracy that means
nothing: images in the wrong folders, a class too few, training images among them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vmamba_deploy.errors import InputFileError, UsageError
from vmamba_deploy.evaluation.classes import few
from vmamba_deploy.evaluation.samples import IMAGE_SUFFIXES, files_below, is_hidden


@dataclass(frozen=True)
class Layout:
    """The folder of a data set: one folder a class, equally many images in each.

    Attributes:
        title: of the data set.
        classes: how many there are.
        images_per_class: how many images each has.
        folder_name: what a class folder is named like.
        names_sha256: of the sorted names of the class folders, joined by line feeds.
        file_name: what an image is named like; its group is the image's number, from 1 on, that no
            other has.
        preparation: how to bring the data set into this form.
    """

    title: str
    classes: int
    images_per_class: int
    folder_name: re.Pattern[str]
    names_sha256: str
    file_name: re.Pattern[str]
    preparation: str

    @property
    def images(self) -> int:
        """Of all classes."""
        return self.classes * self.images_per_class


LAYOUTS: Mapping[str, Layout] = {
    "imagenet": Layout(
        title="ImageNet-1K's validation set",
        classes=1000,
        images_per_class=50,
        folder_name=re.compile(r"n\d{8}"),
        names_sha256="385e0240499426c022b773be1ae4da780f057b89c9694c7f47199f62746b6edd",
        file_name=re.compile(r"ILSVRC2012_val_(\d{8})\.JPEG"),
        preparation="each image of ILSVRC2012_img_val.tar goes into the folder of its WordNet id: "
        "docs/imagenet.md",
    )
}


def check_layout(root: Path, name: str) -> None:
    """Refuse a folder that is not the data set of a layout; no image is opened.

    Args:
        root: of the class folders.
        name: of `LAYOUTS`.

    Raises:
        UsageError: `root` is no folder.
        InputFileError: what is there is not that data set; the message says what differs.
    """
    layout = LAYOUTS[name]
    if not root.is_dir():
        raise UsageError(f"{root} is no folder, and --layout {name} is about one")
    found = {
        folder.name: [
            path.name for path in files_below(folder) if path.suffix.lower() in IMAGE_SUFFIXES
        ]
        for folder in sorted(root.iterdir())
        if folder.is_dir() and not is_hidden(folder.name)
    }
    problem = _folders_problem(layout, root, sorted(found)) or _images_problem(layout, found)
    if problem is not None:
        raise InputFileError(f"{root} is not {layout.title}: {problem}", hint=layout.preparation)


def _folders_problem(layout: Layout, root: Path, names: Sequence[str]) -> str | None:
    strange = [name for name in names if not layout.folder_name.fullmatch(name)]
    if not names:
        loose = sum(path.suffix.lower() in IMAGE_SUFFIXES for path in root.iterdir())
        return f"there is no class folder, and {loose} images lie side by side"
    if strange:
        return f"these are no class folders of it: {few(strange)}"
    if len(names) != layout.classes:
        return f"there are {len(names)} class folders, expected {layout.classes}"
    if hashlib.sha256("\n".join(names).encode()).hexdigest() != layout.names_sha256:
        return "the class folders have the names of other classes"
    return None


def _images_problem(layout: Layout, found: Mapping[str, Sequence[str]]) -> str | None:
    uneven = [
        f"{name}: {len(files)}"
        for name, files in found.items()
        if len(files) != layout.images_per_class
    ]
    if uneven:
        return f"not every class folder has {layout.images_per_class} images: {few(uneven)}"
    places: dict[int, str] = {}
    for folder, files in found.items():
        for file in files:
            match = layout.file_name.fullmatch(file)
            number = int(match[1]) if match else 0
            if not 1 <= number <= layout.images:
                return f"{folder}/{file} has no name of it"
            if number in places:
                return f"{file} is in the folders {places[number]} and {folder}"
            places[number] = folder
    return None
