"""The one door for files that a user hands over.

Regular files of bounded size alone, for a pipe or a device hangs whoever reads it; and whatever a
reader raises on their content comes out as an error of ours that names the file.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from vmamba_deploy.errors import InputFileError, VmambaError, printable

_DETAIL_CHARACTERS = 160


@contextmanager
def open_file(
    path: Path,
    *,
    what: str,
    limit_bytes: int | None = None,
    error: type[VmambaError] = InputFileError,
) -> Iterator[BufferedReader]:
    """Open a regular file for reading; what is raised within the block is the block's business.

    Args:
        path: a file or a link to one.
        what: it is expected to be, with its article, for the message: "a checkpoint".
        limit_bytes: the largest size that such a file has.
        error: class of what is raised.

    Raises:
        VmambaError: of class `error`: no such file, not a regular one, or a larger one.
    """
    try:
        # Not blocking: opening a pipe would otherwise wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as problem:
        raise _unreadable(path, problem, error) from problem
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise error(f"{shown(path)} is {_kind(found.st_mode)}; {what} is a file.")
        if limit_bytes is not None and found.st_size > limit_bytes:
            raise error(
                f"{shown(path)} has {found.st_size:,} bytes; {what} has at most {limit_bytes:,}."
            )
    except BaseException:
        os.close(descriptor)
        raise
    with os.fdopen(descriptor, "rb") as file:
        yield file


def read_file(
    path: Path,
    *,
    what: str,
    limit_bytes: int,
    error: type[VmambaError] = InputFileError,
) -> bytes:
    """The content of a regular file; see `open_file` for what is refused."""
    with open_file(path, what=what, limit_bytes=limit_bytes, error=error) as file:
        try:
            return file.read()
        except OSError as problem:
            raise _unreadable(path, problem, error) from problem


def file_sha256(
    path: Path,
    *,
    what: str,
    limit_bytes: int | None = None,
    error: type[VmambaError] = InputFileError,
) -> str:
    """The sha256 of a regular file in hexadecimal; see `open_file` for what is refused."""
    with open_file(path, what=what, limit_bytes=limit_bytes, error=error) as file:
        try:
            return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as problem:
            raise _unreadable(path, problem, error) from problem


@contextmanager
def unchanged(path: Path) -> Iterator[None]:
    """A block that reads a file several times, where all has to be of one content.

    Raises:
        InputFileError: somebody wrote to the file or put another in its place.
    """
    before = _identity(path)
    yield
    if _identity(path) != before:
        raise InputFileError(f"{shown(path)} changed while it was read.", hint="Read it again.")


@contextmanager
def understood(
    path: Path,
    *,
    what: str,
    hint: str | None = None,
    error: type[VmambaError] = InputFileError,
) -> Iterator[None]:
    """A block in which somebody else's code reads a file: what that raises, says that it is bad.

    Only the reading belongs into the block, for a bug of ours within would be told as the file's.

    Args:
        path: of the file.
        what: it was expected to be: "a checkpoint".
        hint: what to do.
        error: class of what is raised.

    Raises:
        VmambaError: ours as it was raised; of class `error` for every other exception.
    """
    try:
        yield
    except VmambaError:
        raise
    except Exception as problem:
        lines = str(problem).strip().splitlines() or [""]
        detail = f"{type(problem).__name__}: {printable(lines[0][:_DETAIL_CHARACTERS])}"
        raise error(
            f"{shown(path)} cannot be read as {what}: it is damaged, cut short, or none at all "
            f"({detail.removesuffix(': ')}).",
            hint=hint,
        ) from problem


def shown(path: Path | str) -> str:
    """A path as messages show it: what a terminal would obey is escaped."""
    return printable(os.fsencode(path).decode("utf-8", "backslashreplace"))


def readable(text: str) -> str:
    """Text with names of files in it as UTF-8 can hold it: a byte that is none is written out."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _identity(path: Path) -> tuple[int, ...] | None:
    """None of a file that cannot be opened either, which its reader tells."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _unreadable(path: Path, problem: Exception, error: type[VmambaError]) -> VmambaError:
    reason = problem.strerror if isinstance(problem, OSError) and problem.strerror else problem
    return error(f"{shown(path)} cannot be read: {reason}.")


def _kind(mode: int) -> str:
    kinds = (
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    )
    return next((name for has, name in kinds if has(mode)), "no regular file")


def human_size(size_bytes: int) -> str:
    """1234567 -> '1.2 MB': decimal units, as disks and downloads have them."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.2f} GB"
