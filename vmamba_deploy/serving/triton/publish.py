"""Moving staged models into a repository, so that each appears whole and a failure undoes all.

vmamba.json in each model folder says which files are ours, so that nothing else is replaced.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import msgspec

from vmamba_deploy.artifacts import rename
from vmamba_deploy.artifacts.atomic import PARTIAL_PREFIX, flush_to_disk, make_folder, writing
from vmamba_deploy.artifacts.locking import exclusive
from vmamba_deploy.artifacts.manifest import describe_file
from vmamba_deploy.errors import InputFileError, ResourceError, UsageError
from vmamba_deploy.files import human_size, read_file

RECORD_NAME = "vmamba.json"
_MAX_RECORD_BYTES = 1 << 20

_RESERVE_BYTES = 20_000_000


def write_record(folder: Path, description: Mapping[str, Any]) -> None:
    """List the files of a model folder with size and sha256, beside what `description` says."""
    files = {
        path.relative_to(folder).as_posix(): msgspec.to_builtins(describe_file(path))
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    record = {"schema_version": 1, **description, "files": files}
    text = json.dumps(record, indent=2, sort_keys=True) + "\n"
    (folder / RECORD_NAME).write_text(text, encoding="utf-8")


def owned_package(folder: Path) -> str | None:
    """The package that a model folder belongs to; None if it has no record of ours."""
    record = _read(folder)
    return None if record is None else record.package


def refuse_foreign_model(folder: Path) -> None:
    """Raise UsageError unless every file of the folder is in its record."""
    record = _read(folder)
    if record is None:
        raise UsageError(
            f"{folder} is a model that this tool did not write",
            hint="choose another --name, or another repository",
        )
    present = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        # A server that ran here left compiled Python.
        if not path.is_dir() and path.parent.name != "__pycache__"
    }
    if foreign := sorted(present - {RECORD_NAME, *record.files}):
        raise UsageError(
            f"{folder} holds files that this tool did not write: {', '.join(foreign[:5])}",
            hint="move them elsewhere, or choose another --name",
        )


@contextmanager
def staging_folder(repository: Path, *, needed_bytes: int) -> Iterator[Path]:
    """Lock the repository and yield an empty folder on its disk; it is removed in the end.

    It lies beside the repository, since a server takes every folder in there for a model; in it
    only where the repository is a mount point, or the folder above is not writable.

    Raises:
        UsageError: a file, or not writable.
        ResourceError: not enough space, or another process is writing.
    """
    with writing(repository):
        if repository.exists() and not repository.is_dir():
            raise UsageError(f"{repository} is a file", hint="name a folder with --triton")
        inside = repository.is_dir() and (
            os.path.ismount(repository) or not os.access(repository.parent, os.W_OK)
        )
    place = repository if inside else repository.parent
    make_folder(place)
    with writing(place / "models"):
        free = shutil.disk_usage(place).free
        if free < needed_bytes + _RESERVE_BYTES:
            raise ResourceError(
                f"the disk of {place} has {human_size(free)} free; the models need "
                f"{human_size(needed_bytes)}",
                hint="free some space, or name a repository on another disk",
            )
        with exclusive(place / f".{repository.name}.lock", what=f"repository {repository}"):
            staging = place / f"{PARTIAL_PREFIX}{secrets.token_hex(6)}-{repository.name}"
            try:
                staging.mkdir()
                yield staging
            finally:
                shutil.rmtree(staging, ignore_errors=True)


def check_targets(repository: Path, names: Sequence[str], package: str, *, force: bool) -> None:
    """Refuse to replace what is not ours, or what is ours unless forced.

    Raises:
        UsageError: a folder of one of these names that must stay.
    """
    for name in names:
        target = repository / name
        if not target.exists() and not target.is_symlink():
            continue
        refuse_foreign_model(target)
        if owned_package(target) != package:
            raise UsageError(
                f"{target} belongs to the package {owned_package(target)!r}",
                hint="choose another --name",
            )
        if not force:
            raise UsageError(f"{target} is there already", hint="replace it with --force")


def publish(staging: Path, repository: Path, names: Sequence[str], package: str) -> None:
    """Make the staged models those of the repository; models of the package not named here go.

    A new repository appears by one rename. In one that exists each model appears by one rename,
    each after those that it needs, and a failure takes all of them back.
    """
    if not repository.exists():
        staging.rename(repository)
        flush_to_disk(repository.parent)
        return
    old = staging / f"{PARTIAL_PREFIX}old"
    old.mkdir()
    undo: list[tuple[Path, Path]] = []  # (from, to), to be walked backwards
    try:
        for stale in _stale(repository, names, package):
            _move(stale, old / stale.name, undo)
        for name in names:
            target = repository / name
            if target.exists() and rename.exchange(staging / name, target):
                undo.append((staging / name, target))
                continue
            if target.exists():
                _move(target, old / name, undo)
            _move(staging / name, target, undo)
    except BaseException:
        for here, there in reversed(undo):
            with suppress(OSError):  # the first error is the one to tell
                if there.exists() and here.exists():
                    rename.exchange(here, there)
                else:
                    there.rename(here)
        raise
    flush_to_disk(repository)


def _move(here: Path, there: Path, undo: list[tuple[Path, Path]]) -> None:
    here.rename(there)
    undo.append((here, there))


def _stale(repository: Path, names: Sequence[str], package: str) -> list[Path]:
    """Models of an earlier packaging that this one does not write, whole and ours."""
    stale = [
        folder
        for folder in sorted(repository.iterdir())
        if folder.is_dir() and folder.name not in names and owned_package(folder) == package
    ]
    for folder in stale:
        refuse_foreign_model(folder)
    return stale


class _Record(msgspec.Struct):
    schema_version: Literal[1]
    package: str
    files: dict[str, Any]


def _read(folder: Path) -> _Record | None:
    path = folder / RECORD_NAME
    try:
        content = read_file(path, what="a record", limit_bytes=_MAX_RECORD_BYTES)
        return msgspec.json.decode(content, type=_Record)
    except (InputFileError, ValueError, RecursionError):
        return None
