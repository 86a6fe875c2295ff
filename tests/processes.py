"""Waiting in tests: for a condition, never for a time that a slow machine may exceed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

HANG_S = 1800.0
"""Limit of whatever should end by itself. It ends a hang, and says nothing about speed."""


def wait_until(happened: Callable[[], bool]) -> None:
    """Ask again and again until it has happened; fails where it never does."""
    end = time.monotonic() + HANG_S
    while not happened():
        assert time.monotonic() < end, f"not within {HANG_S:g} s"
        time.sleep(0.05)


def is_running(process: int) -> bool:
    """Whether a process is there and not merely waiting to be collected."""
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


COMMAND_WITHOUT_MODULE = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == sys.argv[1]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from vmamba_deploy.cli import main
main(sys.argv[2:])
"""
"""For `python -c`, with a module's name and arguments: the command line where that is absent."""
