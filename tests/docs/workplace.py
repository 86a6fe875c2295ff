"""A folder that looks like a fresh checkout, in which the commands of one page run."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from tests.docs.cached_export import CACHE_VARIABLE
from tests.docs.pages import CHECKOUT, Block

TIMEOUT_SECONDS = 300
# Each page gets its own of these; the rest of the checkout is seen through links.
_OWN = {"artifacts", "build", "evaluations", ".git", ".pytest_cache", ".hypothesis"}
# Commands write beside these sources, so a page works on a copy.
_COPIED = {"samples"}
_SHOWN_LINES = 40


class Workplace:
    """Where a page's blocks run, one after the other; at the end, what still runs is ended.

    Args:
        folder: new or empty.
        exports: shared by the pages of a test run; see `cached_export`.
    """

    def __init__(self, folder: Path, exports: Path) -> None:
        self.folder = folder / "checkout"
        self._output = folder / "output.txt"
        self._environment = _environment(_programs(folder / "bin"), exports)
        self._groups: list[int] = []
        self.folder.mkdir(parents=True)
        for entry in CHECKOUT.iterdir():
            if entry.name in _COPIED:
                ignored = shutil.ignore_patterns("build", "__pycache__")
                shutil.copytree(entry, self.folder / entry.name, ignore=ignored)
            elif entry.name not in _OWN:
                (self.folder / entry.name).symlink_to(entry)

    def __enter__(self) -> Workplace:
        return self

    def __exit__(self, *_error: object) -> None:
        for group in self._groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)

    def run(self, block: Block) -> None:
        """Run a block.

        Raises:
            AssertionError: it ended with another code than 0, or did not end in time.
        """
        # Not a pipe: a server that a block leaves behind would keep it open.
        with self._output.open("w", encoding="utf-8") as output:
            running = subprocess.Popen(
                self._command(block),
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._groups.append(running.pid)
            try:
                code: int | str = running.wait(TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                code = f"nothing after {TIMEOUT_SECONDS} s"
        if code != 0:
            written = self._output.read_text(encoding="utf-8", errors="replace")
            told = "\n".join(written.splitlines()[-_SHOWN_LINES:])
            raise AssertionError(
                f"{block.place} ended with {code}:\n{block.text}\n--- output\n{told}"
            )

    def _command(self, block: Block) -> list[str]:
        if block.language != "python":
            return ["bash", "-euo", "pipefail", "-c", block.text]
        program = self.folder / f"block_{block.line}.py"
        program.write_text(block.text, encoding="utf-8")
        return ["python", program.name]


def _programs(folder: Path) -> Path:
    """`vmamba-deploy` that shares equal exports; everything else is what .venv has."""
    folder.mkdir(parents=True)
    program = folder / "vmamba-deploy"
    real, cached = Path(sys.executable).with_name("vmamba-deploy"), Path(__file__).parent
    program.write_text(
        "#!/bin/sh\n"
        f'[ "$1" = export ] || exec {real} "$@"\n'
        f'exec {sys.executable} {cached / "cached_export.py"} "$@"\n',
        encoding="utf-8",
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return folder


def _environment(programs: Path, exports: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])
    # Narrow output would break tables in the middle of names that a page's commands look for.
    own = {"PATH": path, CACHE_VARIABLE: str(exports), "VIRTUAL_ENV": sys.prefix, "COLUMNS": "160"}
    return kept | own
