"""A session in a process of its own, which answers each line with a line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


class Process:
    """The process, as whoever started it sees it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, line: str) -> str:
        """The answer to a line.

        Raises:
            RuntimeError: the process ended.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended, and may have answered before
        return self.answer()

    def end_of_lines(self) -> str:
        """The answer to the end of its input."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self.answer()

    def answer(self) -> str:
        """The next line that it writes.

        Raises:
            RuntimeError: the process ended.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the session's process ended with {self._process.wait()}")
        return line


@contextmanager
def started(module: str, words: Sequence[str]) -> Iterator[Process]:
    """`python -m MODULE WORDS...`; it ends with the block."""
    with subprocess.Popen(
        [sys.executable, "-m", module, *words],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Process(process)
        finally:
            process.kill()
