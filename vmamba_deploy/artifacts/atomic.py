"""One file that appears whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vmamba_deploy.errors import ResourceError, UsageError, VmambaError

PARTIAL_PREFIX = ".partial-"
"""Names that start so are unfinished; nothing may read them and a later run may delete them."""

_OUT_OF_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NOT_WRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR}
_NOT_WRITABLE |= {errno.EEXIST, errno.ENAMETOOLONG}


def explain_write_error(error: OSError, path: Path) -> VmambaError | None:
    """Say in a user's words why `path` could not be written; None when the cause is another."""
    if error.errno in _OUT_OF_SPACE:
        return ResourceError(
            f"cannot write {path}: {os.strerror(error.errno or 0)}",
            hint="free some space, or write to another disk with --output",
        )
    if error.errno in _NOT_WRITABLE and _concerns(error, path):
        return UsageError(
            f"cannot write {path}: {os.strerror(error.errno or 0)}",
            hint="choose a folder that you may write to with --output",
        )
    return None


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
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        flush_to_disk(temporary)
        temporary.replace(target)
        flush_to_disk(target.parent)
    except OSError as error:
        explained = explain_write_error(error, target)
        if explained is None:
            raise
        raise explained from error
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
