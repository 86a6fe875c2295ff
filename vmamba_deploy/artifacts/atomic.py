"""One file that appears whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vmamba_deploy.errors import InputFileError, ResourceError, UsageError, VmambaError
from vmamba_deploy.files import shown

PARTIAL_PREFIX = ".partial-"
"""Names that start so are unfinished; nothing may read them and a later run may delete them."""

_OUT_OF_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_OUT_OF_OTHER = {errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN}
_NOT_WRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR}
_NOT_WRITABLE |= {errno.EEXIST, errno.ENAMETOOLONG}
_ANOTHER_FOLDER = "choose a folder that you may write to with --output"


def explain_write_error(error: OSError, path: Path) -> VmambaError | None:
    """Say in a user's words why `path` could not be written; None when the cause is another."""
    if error.errno in _OUT_OF_SPACE:
        return ResourceError(
            f"cannot write {shown(path)}: {os.strerror(error.errno or 0)}",
            hint="free some space, or write to another disk with --output",
        )
    if error.errno in _NOT_WRITABLE and _concerns(error, path):
        return UsageError(
            f"cannot write {shown(path)}: {os.strerror(error.errno or 0)}",
            hint=_ANOTHER_FOLDER,
        )
    return None


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """A block that writes to `path`; an error of the system that says why it cannot is ours.

    Raises:
        ResourceError: the disk or the quota is full.
        UsageError: the place is not writable.
    """
    try:
        yield
    except OSError as error:
        raise (explain_write_error(error, path) or error) from error


def make_folder(path: Path) -> None:
    """Make a folder that is to be written to, where it is not there.

    Raises:
        UsageError: it cannot be made; also where a file is in its place.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"cannot make the folder {shown(path)}: {error.strerror}", hint=_ANOTHER_FOLDER
        ) from error


def explain_system_error(error: OSError) -> VmambaError | None:
    """What nothing foresaw, in a user's words; None where the system names neither file nor want.

    For the last stop before the user: whoever knows what a file is for, says it better.
    """
    reason = os.strerror(error.errno or 0)
    if error.errno in _OUT_OF_SPACE | _OUT_OF_OTHER:
        return ResourceError(reason)
    if not isinstance(error.filename, str | bytes):
        return None
    return InputFileError(f"cannot use {shown(os.fsdecode(error.filename))}: {reason}")


@contextmanager
def atomic_write(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`; when the block ends well, it becomes `path`.

    The temporary name has the suffix of `path`, so that writers which look at it behave. The
    content reaches the disk before the rename. When the block raises, the temporary file is removed
    and an older `path` stays as it was. The folder is made if it is missing.

    Raises:
        ResourceError: the disk or the quota is full.
        UsageError: the place is not writable.
    """
    target = Path(path)
    temporary = target.with_name(f"{PARTIAL_PREFIX}{secrets.token_hex(6)}-{target.name}")
    try:
        with writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            flush_to_disk(temporary)
            temporary.replace(target)
            flush_to_disk(target.parent)
    finally:
        with suppress(FileNotFoundError, NotADirectoryError):
            temporary.unlink()


def flush_to_disk(path: Path) -> None:
    """Fsync a file or a folder, so that a power cut cannot undo what was just written."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _concerns(error: OSError, path: Path) -> bool:
    """Whether the error names `path` or a place above or beside it, not some file being read."""
    if error.filename is None:
        return False
    named = Path(os.fsdecode(error.filename))
    return named.parent == path.parent or path.is_relative_to(named)
