"""Running a program of the samples and reading how it ended."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.processes import HANG_S


@dataclass(frozen=True)
class Outcome:
    """How a program ended."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The text of the line `error: ...`."""
        return self._line("error: ")

    @property
    def hint(self) -> str:
        """The text of the line `hint: ...`."""
        return self._line("hint: ")

    def _line(self, start: str) -> str:
        found = [line for line in self.err.splitlines() if line.startswith(start)]
        return found[0].removeprefix(start) if found else ""


Program = Callable[..., Outcome]


def program(path: Path) -> Program:
    """A function that runs the program."""

    def call(*arguments: object, environment: dict[str, str] | None = None) -> Outcome:
        done = subprocess.run(
            [str(path), *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            timeout=HANG_S,
            env=environment,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return call
