"""Labelled images as data: which file has which class, in an order that never changes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from vmamba_deploy.errors import InputFileError

Kind = Literal["folder", "csv"]


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
    samples: tuple[Sample, ...]


@dataclass(frozen=True)
class SampleSet:
    """A data set.

    Attributes:
        source: the folder or the CSV file.
        class_names: name of each class of the model, for people.
        rule: how names became classes, one sentence.
        ignored: files of the tree that are no images by their suffix.
    """

    source: Path
    kind: Kind
    samples: tuple[Sample, ...]
    class_names: tuple[str, ...]
    rule: str
    ignored: int = 0

    def limited(self, limit: int | None) -> SampleSet:
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
        """sha256 of names, labels, sizes and times of change: another set has another one.

        Raises:
            InputFileError: a file is gone.
        """
        digest = hashlib.sha256()
        for sample in self.samples:
            try:
                status = sample.path.stat()
            except OSError as error:
                raise InputFileError(
                    f"{sample.path} cannot be read: {error.strerror or error}"
                ) from error
            line = f"{sample.name}\0{sample.label}\0{status.st_size}\0{status.st_mtime_ns}\n"
            digest.update(line.encode(errors="surrogateescape"))
        return digest.hexdigest()
