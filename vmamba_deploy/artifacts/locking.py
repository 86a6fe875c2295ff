"""One writer per folder: the second one fails at once and is told who holds it."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from vmamba_deploy.artifacts.atomic import explain_write_error, writing
from vmamba_deploy.errors import ResourceError, UsageError, VmambaError, printable
from vmamba_deploy.files import read_file, shown

_MAX_OWNER_BYTES = 4096

if TYPE_CHECKING:
    from filelock import FileLock


@contextmanager
def exclusive(lock_file: Path, *, what: str) -> Iterator[None]:
    """Hold `lock_file` for the duration of the block; the system frees it if the process dies.

    Args:
        lock_file: the file to lock; it goes with the lock, and stays where the process dies.
        what: what is being protected, for the message ("folder artifacts/x").

    Raises:
        ResourceError: another process holds it.
        UsageError: the lock file cannot be made.
    """
    from filelock import FileLock

    lock = FileLock(lock_file, timeout=0)
    try:
        lock_file.touch()  # filelock takes some of the system's refusals for a lock that is held
        _acquire(lock, lock_file, what)
    except OSError as error:
        raise explain_write_error(error, lock_file) or UsageError(
            f"cannot write {shown(lock_file)}: {error.strerror}"
        ) from error
    try:
        owner = {"pid": os.getpid(), "host": platform.node(), "since": time.strftime("%H:%M:%S")}
        with writing(lock_file):
            lock_file.write_text(json.dumps(owner))
        yield
    finally:
        # While it is held: whoever opened it before gets a lock on a file without a name, which
        # filelock sees and does not take.
        lock_file.unlink(missing_ok=True)
        lock.release()


def _acquire(lock: FileLock, lock_file: Path, what: str) -> None:
    from filelock import Timeout

    while True:
        try:
            lock.acquire()
        except Timeout as error:
            if not lock_file.exists():
                continue  # its holder has just ended
            raise ResourceError(
                f"{what} is being written by {_read_owner(lock_file)}",
                hint="wait for it to end, or choose another folder with --output",
            ) from error
        return


def _read_owner(lock_file: Path) -> str:
    """Name the process that wrote itself into the lock file; vague when the file does not say."""
    try:
        written = read_file(lock_file, what="a lock", limit_bytes=_MAX_OWNER_BYTES)
        owner = json.loads(written)
        return printable(f"process {owner['pid']} on {owner['host']} since {owner['since']}")
    except (VmambaError, ValueError, KeyError, TypeError, RecursionError):
        return "another process"
