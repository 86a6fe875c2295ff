"""A data set: images with what is true of them, in an order that never changes.

Those with a class lie in an ImageFolder-style tree, or a CSV file with the columns path and label
names them. What other tasks take is beside their scorers.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, Literal, Protocol, Self, TypeVar

from vmamba_deploy.errors import InputFileError, UsageError
from vmamba_deploy.evaluation.classes import ModelClasses, assign_folders, assign_values
from vmamba_deploy.files import open_file, understood

Kind = Literal["folder", "csv", "label_maps", "coco"]
IMAGE_SUFFIXES = frozenset(
    {".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
_COLUMNS = ("path", "label")
_MAX_CSV_BYTES = 1 << 30
_HINT = "a data set is a folder of class folders, or a CSV file with the columns path and label"


class AnySample(Protocol):
    """One image, whatever is true of it.

    Attributes:
        path: of the file, absolute.
        name: as reports show it: relative to the data set.
    """

    @property
    def path(self) -> Path: ...  # noqa: D102 - said above

    @property
    def name(self) -> str: ...  # noqa: D102 - said above

    def identity(self) -> str:
        """Name, what is true of it, sizes and times of its files: changed, it is another sample.

        Raises:
            InputFileError: a file is gone.
        """
        ...


def file_identity(path: Path) -> str:
    """Size and time of change of a file.

    Raises:
        InputFileError: it is gone.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise InputFileError(f"{path} cannot be read: {error.strerror or error}") from error
    return f"{status.st_size}\0{status.st_mtime_ns}"


@dataclass(frozen=True)
class Sample:
    """One labelled image.

    Attributes:
        path: of the file, absolute.
        name: as reports show it: relative to the data set.
        label: index of its class.
    """

    path: Path
    name: str
    label: int

    def identity(self) -> str:
        """See `AnySample`."""
        return f"{self.name}\0{self.label}\0{file_identity(self.path)}"


@dataclass(frozen=True)
class Batch:
    """Images that are run together, always the same ones, however a run is cut or spread.

    A runtime may round differently at another batch size: fixed batches make a resumed or
    distributed run give the figures of an uninterrupted one to the last bit.

    Attributes:
        number: position among the batches.
        start: position of its first sample in the set.
    """

    number: int
    start: int
    samples: tuple[AnySample, ...]


S = TypeVar("S", bound=AnySample)


@dataclass(frozen=True)
class DataSet(Generic[S]):
    """A data set.

    Attributes:
        source: the folder or the file that lists it.
        class_names: name of each class of the model, for people.
        rule: how names became classes, one sentence.
        ignored: files of the tree that are no images by their suffix.
    """

    source: Path
    kind: Kind
    samples: tuple[S, ...]
    class_names: tuple[str, ...]
    rule: str
    ignored: int = 0

    def limited(self, limit: int | None) -> Self:
        """At most `limit` samples, evenly spread, so that every class keeps its share."""
        count = len(self.samples)
        if limit is None or limit >= count:
            return self
        chosen = tuple(self.samples[position * count // limit] for position in range(limit))
        return replace(self, samples=chosen)

    def batches(self, size: int) -> Iterator[Batch]:
        """The samples in batches of `size`; the last one may be smaller."""
        for number, start in enumerate(range(0, len(self.samples), size)):
            yield Batch(number, start, self.samples[start : start + size])

    def fingerprint(self) -> str:
        """sha256 of names, truths, sizes and times of change: another set has another one.

        Raises:
            InputFileError: a file is gone.
        """
        digest = hashlib.sha256()
        for sample in self.samples:
            digest.update(f"{sample.identity()}\n".encode(errors="surrogateescape"))
        return digest.hexdigest()


def read_samples(source: Path, classes: ModelClasses) -> DataSet[Sample]:
    """List the labelled images of a data set; no image is opened.

    Args:
        source: a folder with one folder per class, images in it at any depth; or a CSV file whose
            paths are relative to it.
        classes: of the model.

    Raises:
        InputFileError: nothing there, no image in it, a file it names is missing, or a class that
            the model does not have.
        UsageError: the classes could be meant in more than one way.
    """
    if source.is_dir():
        return _read_folder(source.absolute(), classes)
    if not source.exists():
        raise InputFileError(f"there is no data set {source}", hint=_HINT)
    if source.suffix.lower() != ".csv":
        raise UsageError(f"{source} is neither a folder nor a .csv file", hint=_HINT)
    return _read_csv(source.absolute(), classes)


def _read_folder(root: Path, classes: ModelClasses) -> DataSet[Sample]:
    folders = sorted(
        entry.name for entry in root.iterdir() if entry.is_dir() and not is_hidden(entry.name)
    )
    if not folders:
        raise InputFileError(f"{root} has no class folders", hint=_HINT)
    assigned = assign_folders(folders, classes)
    samples, ignored = [], 0
    for folder in folders:
        for path in files_below(root / folder):
            if path.suffix.lower() not in IMAGE_SUFFIXES:
                ignored += 1
                continue
            name = path.relative_to(root).as_posix()
            samples.append(Sample(path, name, assigned.index[folder]))
    if not samples:
        raise InputFileError(
            f"{root} has {len(folders)} class folders and no image in them",
            hint=f"images end with {', '.join(sorted(IMAGE_SUFFIXES))}",
        )
    names = classes.names()
    if classes.labels is None and classes.listed is None:
        names = tuple(folders)
    return DataSet(root, "folder", tuple(samples), names, assigned.rule, ignored)


def files_below(folder: Path) -> Iterator[Path]:
    """Every visible file at any depth, sorted; links are followed, circles of them not."""
    visited: set[tuple[int, int]] = set()
    found: list[Path] = []
    for place, folders, files in os.walk(folder, followlinks=True):
        status = Path(place).stat()
        if (status.st_dev, status.st_ino) in visited:
            folders.clear()
            continue
        visited.add((status.st_dev, status.st_ino))
        folders[:] = [name for name in folders if not is_hidden(name)]
        found += [Path(place, name) for name in files if not is_hidden(name)]
    yield from sorted(found)


def is_hidden(name: str) -> bool:
    """Whether a file or folder of that name is not looked at."""
    return name.startswith(".")


def _read_csv(source: Path, classes: ModelClasses) -> DataSet[Sample]:
    rows = _rows(source)
    if not rows:
        raise InputFileError(f"{source} lists no image")
    assigned = assign_values([label for _, _, label in rows], classes)
    first_line: dict[str, int] = {}
    for line, path, _ in rows:
        if path in first_line:
            raise InputFileError(
                f"{source} line {line} lists {path} again, after line {first_line[path]}"
            )
        first_line[path] = line
    samples = tuple(
        Sample(source.parent / path, path, assigned.index[label]) for _, path, label in rows
    )
    missing = [sample.name for sample in samples if not sample.path.is_file()]
    if missing:
        raise InputFileError(
            f"{source} names {len(missing)} files that are not there, the first: {missing[0]}",
            hint="paths are relative to the CSV file",
        )
    return DataSet(source, "csv", samples, classes.names(), assigned.rule)


def _rows(source: Path) -> list[tuple[int, str, str]]:
    """(line, path, label) of each row."""
    with (
        open_file(source, what="a CSV file", limit_bytes=_MAX_CSV_BYTES) as file,
        understood(source, what="a CSV file in UTF-8"),
    ):
        table = csv.DictReader(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""))
        columns = table.fieldnames or []
        if absent := [name for name in _COLUMNS if name not in columns]:
            raise InputFileError(
                f"{source} has no column {' and no column '.join(absent)} in its first line",
                hint="the first line must be: path,label",
            )
        rows = []
        for row in table:
            path, label = ((row[name] or "").strip() for name in _COLUMNS)
            if not path or not label:
                raise InputFileError(f"{source} line {table.line_num} lacks a path or a label")
            rows.append((table.line_num, path, label))
        return rows
