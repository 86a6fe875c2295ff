"""One writer per folder: the second one fails at once and is told who holds it."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vmamba_deploy.artifacts.atomic import explain_write_error
from vmamba_deploy.errors import ResourceError


@contextmanager
def exclusive(lock_file: Path, *, what: str) -> Iterator[None]:
    """Hold `lock_file` for the duration of the block; the system frees it if the process dies.

    Args:
        lock_file: the file to lock; it stays behind, since removing it would split the waiters.
        what: what is being protected, for the message ("folder artifacts/x").

    Raises:
        ResourceError: another process holds it.
        UsageError: the lock file cannot be made.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(lock_file, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise ResourceError(
            f"{what} is being written by {_read_owner(lock_file)}",
            hint="wait for it to end, or choose another folder with --output",
        ) from error
    except OSError as error:
        raise (explain_write_error(error, lock_file) or error) from error
    try:
        owner = {"pid": os.getpid(), "host": platform.node(), "since": time.strftime("%H:%M:%S")}
        lock_file.write_text(json.dumps(owner))
        yield
    finally:
        lock.release()


def _read_owner(lock_file: Path) -> str:
    """Name the process that wrote itself into the lock file; vague when the file does not say."""
    try:
        owner = json.loads(lock_file.read_text())
        return f"process {owner['pid']} on {owner['host']} since {owner['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
