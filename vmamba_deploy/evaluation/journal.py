"""The journal of a run: what is in it is done, whatever happened to the process.

`journal.jsonl` begins with a line that says what was being evaluated; then follows one line per
image, batch by batch, each batch appended in one write and in any order. A run that goes on reads
it first. A line that was cut short, and the batch that it belongs to, are taken off the end and
done again; anything else that does not fit is refused.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar

from vmamba_deploy.artifacts.atomic import atomic_write, explain_write_error, flush_to_disk
from vmamba_deploy.errors import InputFileError, ResourceError, UsageError
from vmamba_deploy.evaluation.results import Result
from vmamba_deploy.files import read_file
from vmamba_deploy.tasks import CLASSIFICATION

JOURNAL_VERSION = 2
"""1 had no probability of the top-1 class."""
_MAX_BYTES = 4 << 30
_ANEW = "--no-resume starts anew and replaces it; --output keeps both"


@dataclass(frozen=True)
class Identity:
    """What must be the same for results to belong together.

    Attributes:
        manifest_sha256: of the artefact's manifest.json, and so of every file.
        data_sha256: see `DataSet.fingerprint`.
        images: number of samples.
        batch: images per batch; rounding may depend on it.
        top_k: how many classes are kept per image.
        against: the reference and its weights; None without.
        skip_unreadable: whether unreadable images are left out.
        runtime: that ran it; None until the first batch says.
        task: of the artefact; journals of earlier releases are of classifiers.
    """

    manifest_sha256: str
    data_sha256: str
    images: int
    batch: int
    top_k: int
    against: str | None = None
    skip_unreadable: bool = False
    runtime: str | None = None
    task: str = CLASSIFICATION.name


_MEANINGS = {
    "manifest_sha256": "another artefact",
    "data_sha256": "other images or labels",
    "images": "another number of images",
    "batch": "another --batch",
    "top_k": "another --top-k",
    "against": "another reference (--against)",
    "skip_unreadable": "another --skip-unreadable",
    "runtime": "another runtime",
    "task": "another task",
}


R = TypeVar("R", bound=Result)


class Journal(Generic[R]):
    """An open journal.

    Attributes:
        results: of the images that are done, by position in the set.
    """

    def __init__(self, path: Path, identity: Identity, results: dict[int, R]) -> None:
        self.path = path
        self.results = results
        self._identity = identity
        self._file: BinaryIO | None = None

    @property
    def runtime(self) -> str | None:
        """The runtime that the results are of; None when there are none."""
        return self._identity.runtime

    def is_done(self, start: int) -> bool:
        """Whether the batch whose first sample is at `start` is in the journal."""
        return start in self.results

    def append(self, runtime: str, results: Sequence[R]) -> None:
        """Add a batch; one that is there already is left as it is.

        Args:
            runtime: that ran it.
            results: of all samples of one batch.

        Raises:
            UsageError: the journal holds results of another runtime.
            ResourceError: the disk is full.
        """
        if self._identity.runtime is None:
            self._identity = replace(self._identity, runtime=runtime)
            self._write_header()
        elif runtime != self._identity.runtime:
            raise UsageError(
                f"{self.path} holds results of {self._identity.runtime}, this run uses {runtime}",
                hint=f"name the runtime with --runtime; {_ANEW}",
            )
        if self.is_done(results[0].index):
            return
        lines = "".join(_line(result.as_json()) for result in results).encode()
        try:
            written = self._opened().write(lines)
        except OSError as error:
            raise (explain_write_error(error, self.path) or error) from error
        if written != len(lines):
            raise ResourceError(
                f"cannot write {self.path}: no space is left",
                hint="free some space; the same command goes on from there",
            )
        self.results.update((result.index, result) for result in results)

    def close(self) -> None:
        """Bring what was written to the disk."""
        if self._file is not None:
            self._file.close()
            self._file = None
            flush_to_disk(self.path)

    def _write_header(self) -> None:
        with atomic_write(self.path) as temporary:
            temporary.write_text(_line({"journal": JOURNAL_VERSION, **asdict(self._identity)}))

    def _opened(self) -> BinaryIO:
        if self._file is None:
            # Unbuffered: one write per batch, which a killed process cannot leave half done.
            self._file = self.path.open("ab", buffering=0)
        return self._file


@contextmanager
def open_journal(
    path: Path, identity: Identity, kind: type[R], *, resume: bool
) -> Iterator[Journal[R]]:
    """Yield the journal at `path`, with what an earlier run left in it.

    Args:
        path: of the file; it is made when the first batch is appended.
        identity: of this run; its runtime may be None, for whichever the first batch names.
        kind: of the results.
        resume: False to leave an earlier journal unread and replace it.

    Raises:
        UsageError: the file is the journal of something else.
        InputFileError: it is damaged, not only cut short, or not a journal.
    """
    journal = _read(path, identity, kind) if resume else None
    opened: Journal[R] = journal or Journal(path, replace(identity, runtime=None), {})
    try:
        yield opened
    finally:
        opened.close()


def _read(path: Path, identity: Identity, kind: type[R]) -> Journal[R] | None:
    """The journal that is there; None when there is none, or one without a whole first line."""
    if not os.path.lexists(path):
        return None
    content = read_file(path, what="a journal", limit_bytes=_MAX_BYTES)
    first, whole, rest = content.partition(b"\n")
    if not whole:
        return None
    found = _read_header(path, first)
    _require_same(path, found, identity)
    results, valid = _read_results(path, rest, found, kind)
    kept = len(first) + 1 + valid
    if kept < len(content):
        os.truncate(path, kept)
    return Journal(path, found, results)


def _read_header(path: Path, line: bytes) -> Identity:
    try:
        fields = json.loads(line)
        version = fields.pop("journal")
        if version == JOURNAL_VERSION:
            return Identity(**fields)
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise InputFileError(f"{path} is not a journal of an evaluation", hint=_ANEW) from error
    raise InputFileError(
        f"{path} is a journal of version {version!r}, written by another release; this one goes on "
        f"from version {JOURNAL_VERSION}",
        hint=_ANEW,
    )


def _require_same(path: Path, found: Identity, wanted: Identity) -> None:
    expected = asdict(wanted)
    if wanted.runtime is None:
        expected["runtime"] = found.runtime
    other = [text for key, text in _MEANINGS.items() if asdict(found)[key] != expected[key]]
    if other:
        raise UsageError(f"{path} is the journal of {', '.join(other)}", hint=_ANEW)


def _read_results(
    path: Path, content: bytes, identity: Identity, kind: type[R]
) -> tuple[dict[int, R], int]:
    """The results of whole batches, and how many bytes they take."""
    results: dict[int, R] = {}
    batch: list[R] = []
    offset = valid = 0
    lines = content.splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        offset += len(line)
        result = _parse(line, kind)
        if result is None:
            if number < len(lines):
                raise _damaged(path, number)
            break
        batch.append(result)
        start = batch[0].index
        if start % identity.batch or result.index != start + len(batch) - 1 or start in results:
            raise _damaged(path, number)
        if len(batch) == min(identity.batch, identity.images - start):
            results.update((one.index, one) for one in batch)
            batch, valid = [], offset
    return results, valid


def _parse(line: bytes, kind: type[R]) -> R | None:
    if not line.endswith(b"\n"):
        return None
    try:
        return kind.from_json(json.loads(line))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _damaged(path: Path, number: int) -> InputFileError:
    # The first line of the file is the header.
    return InputFileError(f"{path} is damaged in line {number + 1}", hint=_ANEW)


def _line(fields: dict[str, Any]) -> str:
    return json.dumps(fields, separators=(",", ":"), allow_nan=False) + "\n"
