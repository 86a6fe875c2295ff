"""A folder of artefacts that is replaced as a whole: the old one stays until the new one is ready.

The new files are written to a hidden folder beside the target and swapped in by one rename. Where
that is impossible, because the target is a mount point (a container's volume) or its parent is not
writable, they are written to a hidden folder inside the target and moved out one by one, the
manifest last: a kill in between leaves a folder that fails verification, never one that lies.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vmamba_deploy.artifacts import rename
from vmamba_deploy.artifacts.atomic import PARTIAL_PREFIX, flush_to_disk, make_folder, writing
from vmamba_deploy.artifacts.locking import exclusive
from vmamba_deploy.artifacts.manifest import MANIFEST_NAME
from vmamba_deploy.artifacts.verification import listed_files
from vmamba_deploy.errors import IntegrityError, ResourceError, UsageError
from vmamba_deploy.files import human_size

_REPLACED_PREFIX = ".replaced-"


class OutputFolder:
    """The target of one run: locked, and holding a staging folder to write into.

    Attributes:
        target: where the artefacts will appear.
        staging: where to write them now; on the same disk.
    """

    def __init__(self, target: Path, staging: Path) -> None:
        self.target = target
        self.staging = staging

    @property
    def failed(self) -> Path:
        """Where artefacts go that did not prove themselves, for a look: `<target>.failed`."""
        if self.staging.parent == self.target.parent:
            return self.target.with_name(f"{self.target.name}.failed")
        return self.staging.parent / f".{self.target.name}.failed"

    def require_space(self, needed_bytes: int) -> None:
        """Raise ResourceError unless that much is free, once the run knows what it will write."""
        _require_space(self.staging, needed_bytes)

    def publish(self, target: Path | None = None) -> Path:
        """Make the staged files the content of `target` (default: the target of this run).

        Raises:
            UsageError: the folder there holds files that are not ours.
            ResourceError: the disk is full.
        """
        destination = self.target if target is None else target
        refuse_foreign_content(destination)
        for file in self.staging.rglob("*"):
            flush_to_disk(file)
        flush_to_disk(self.staging)
        with writing(destination):
            if self.staging.parent == destination.parent:
                _swap(self.staging, destination)
            else:
                _move_files(self.staging, destination)
        return destination


@contextmanager
def open_output_folder(path: Path | str, *, needed_bytes: int = 0) -> Iterator[OutputFolder]:
    """Lock `path`, clean up after killed runs, and yield a folder to stage the artefacts in.

    Unless `publish` is called, the block leaves `path` as it was.

    Args:
        path: the artefact folder; it may exist, empty or holding earlier artefacts.
        needed_bytes: estimate of what will be written, checked against the free space.

    Raises:
        UsageError: not writable, not a folder, or a folder that holds something else.
        ResourceError: not enough space, or another process is writing it.
    """
    with writing(Path(path)):
        target = Path(path).resolve()
        workplace = _workplace(target)
    lock_file = workplace / f".{target.name}.lock"
    with exclusive(lock_file, what=f"folder {target}"):
        _recover(target, workplace)
        refuse_foreign_content(target)
        _require_space(workplace, needed_bytes)
        staging = workplace / f"{PARTIAL_PREFIX}{secrets.token_hex(6)}-{target.name}"
        try:
            with writing(staging / "file"):
                staging.mkdir()
                yield OutputFolder(target, staging)
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def refuse_foreign_content(folder: Path) -> None:
    """Raise UsageError unless replacing `folder` loses nothing but earlier artefacts of ours."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UsageError(f"{folder} is a file", hint="choose a folder with --output")
    present = {
        file.relative_to(folder).as_posix()
        for file in folder.rglob("*")
        if not file.is_dir() and not _is_hidden_work(file, folder)
    }
    try:
        ours = listed_files(folder) if present else set()
    except IntegrityError as error:
        raise UsageError(
            f"{folder} is not empty and not an artefact folder ({error.message})",
            hint="choose another folder with --output, or empty this one",
        ) from error
    if foreign := sorted(present - ours):
        raise UsageError(
            f"{folder} holds files that this tool did not write: {', '.join(foreign[:5])}",
            hint="move them elsewhere, or choose another folder with --output",
        )


def _is_hidden_work(file: Path, folder: Path) -> bool:
    """Whether the file is a lock or staging of our own, where the staging is inside the target."""
    top = file.relative_to(folder).parts[0]
    return top.startswith(PARTIAL_PREFIX) or top in _own_names(folder.name)


def _own_names(name: str) -> set[str]:
    return {f".{name}.lock", f".{name}.failed"}


def _workplace(target: Path) -> Path:
    """The folder for the lock and the staging: beside the target if a rename can work there."""
    if target.is_dir() and (os.path.ismount(target) or not os.access(target.parent, os.W_OK)):
        place = target
    else:
        place = target.parent
    make_folder(place)
    if not os.access(place, os.W_OK | os.X_OK):
        raise UsageError(
            f"folder {place} is not writable",
            hint="choose a folder that you may write to with --output",
        )
    return place


def _require_space(place: Path, needed_bytes: int) -> None:
    free = shutil.disk_usage(place).free
    if free < needed_bytes:
        raise ResourceError(
            f"the disk of {place} has {human_size(free)} free; this run needs about "
            f"{human_size(needed_bytes)}",
            hint="free some space, or write to another disk with --output",
        )


def _recover(target: Path, workplace: Path) -> None:
    """Undo what a killed run left: put a half-replaced folder back, delete unfinished ones."""
    replaced = target.with_name(_REPLACED_PREFIX + target.name)
    if replaced.is_dir():
        if target.exists():
            shutil.rmtree(replaced, ignore_errors=True)
        else:
            replaced.rename(target)
    unfinished = re.compile(re.escape(PARTIAL_PREFIX) + r"[0-9a-f]{12}-" + re.escape(target.name))
    for entry in workplace.iterdir():
        if unfinished.fullmatch(entry.name) and entry.is_dir() and not entry.is_symlink():
            if workplace == target:
                _undo_move(entry, target)
            shutil.rmtree(entry, ignore_errors=True)


def _undo_move(staging: Path, target: Path) -> None:
    """Remove what a killed `_move_files` had brought, for the manifest there does not list it."""
    if not (staging / MANIFEST_NAME).exists():
        return  # either it is the one in `target`, or nothing was moved yet
    for name in listed_files(staging):
        if not (staging / name).exists():
            (target / name).unlink(missing_ok=True)


def _swap(staging: Path, target: Path) -> None:
    """Rename staging to target; an older target leaves in the same instant where Linux can."""
    if not target.exists():
        staging.rename(target)
    elif rename.exchange(staging, target):
        shutil.rmtree(staging, ignore_errors=True)
    else:
        replaced = target.with_name(_REPLACED_PREFIX + target.name)
        target.rename(replaced)
        staging.rename(target)
        shutil.rmtree(replaced, ignore_errors=True)
    flush_to_disk(target.parent)


def _move_files(staging: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    new = {file.relative_to(staging).as_posix() for file in staging.rglob("*") if file.is_file()}
    stale = listed_files(target) if (target / MANIFEST_NAME).exists() else set()
    for name in sorted(new - {MANIFEST_NAME}):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (staging / name).replace(target / name)
    for obsolete in stale - new:
        (target / obsolete).unlink(missing_ok=True)
    # Last, so that a kill leaves a manifest that does not fit, or nothing to do.
    (staging / MANIFEST_NAME).replace(target / MANIFEST_NAME)
    flush_to_disk(target)
