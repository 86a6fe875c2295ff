"""A folder that looks like a fresh checkout, in which the commands of one page run."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.docs.pages import CHECKOUT, Block
from tests.processes import HANG_S

# Each page gets its own of these; the rest of the checkout is seen through links.
_OWN = {".venv", "artifacts", "build", "evaluations", ".git", ".pytest_cache", ".hypothesis"}
# Commands write beside these sources, so a page works on a copy.
_COPIED = {"samples"}
_SHOWN_LINES = 40
_HERE = Path(__file__).parent
# Of a page's Python blocks, and of the checkout.
_WARM_SCRIPTS = "block_*.py|export.py"
# The tests alone need it: who has only run `make export` does not have it.
_ABSENT = "sklearn"
_WITHOUT = f"""
from importlib.machinery import PathFinder

found = PathFinder.find_spec

def find_spec(name, path=None, target=None):
    return None if name.partition(".")[0] == {_ABSENT!r} else found(name, path, target)

PathFinder.find_spec = find_spec
"""


class Workplace:
    """Where a page's blocks run, one after the other; at the end, what still runs is ended.

    Args:
        folder: new or empty.
        exports: shared by the pages of a test run; see `cached_export`.
        warm: name of the process that runs commands that may need PyTorch; see `warm`. None: each
            is a process of its own.
    """

    def __init__(self, folder: Path, exports: Path, warm: str | None = None) -> None:
        self.folder = folder / "checkout"
        self._output = folder / "output.txt"
        self._groups: list[int] = []
        self.folder.mkdir(parents=True)
        for entry in CHECKOUT.iterdir():
            if entry.name in _COPIED:
                ignored = shutil.ignore_patterns("build", "__pycache__")
                shutil.copytree(entry, self.folder / entry.name, ignore=ignored)
            elif entry.name not in _OWN:
                (self.folder / entry.name).symlink_to(entry)
        _make_venv(self.folder / ".venv", exports, warm)
        self._environment = _environment(self.folder / ".venv")

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
                code: int | str = running.wait(HANG_S)
            except subprocess.TimeoutExpired:
                code = f"nothing after {HANG_S:g} s"
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


def _make_venv(folder: Path, exports: Path, warm: str | None) -> None:
    """The environment of this process, with a `vmamba-deploy` that shares equal exports."""
    real = Path(sys.prefix) / "bin"
    bin_folder = folder / "bin"
    bin_folder.mkdir(parents=True)
    for entry in real.iterdir():
        # Through a link, Python would take this folder for its own: each page would find PyTorch in
        # another place, for which no native library is built yet.
        if entry.name.startswith("python"):
            _write_program(bin_folder / entry.name, _exec(entry))
        elif entry.name not in {"activate", "vmamba-deploy"}:
            (bin_folder / entry.name).symlink_to(entry)
    (bin_folder / "activate").write_text(f'export PATH="{bin_folder}:$PATH"\n', encoding="utf-8")
    python: list[str | Path] = [sys.executable]
    if warm is not None:
        # Without `site`: it starts at once.
        python += ["-S", _HERE / "warm.py", "ask", warm]
        _write_program(
            bin_folder / "python",
            f'case "$1" in {_WARM_SCRIPTS}) {_exec(*python)};; esac\n{_exec(real / "python")}',
        )
    command = folder / "vmamba-deploy"
    _write_program(command, _exec(*python, real / "vmamba-deploy"))
    export = _exec(sys.executable, _HERE / "cached_export.py", exports, command)
    _write_program(bin_folder / "vmamba-deploy", f'[ "$1" = export ] || {_exec(command)}\n{export}')


def _exec(*command: str | Path) -> str:
    return f'exec {shlex.join(map(str, command))} "$@"'


def _write_program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def _environment(venv: Path) -> dict[str, str]:
    path = os.pathsep.join([str(venv / "bin"), os.environ["PATH"]])
    return _kept() | {
        "PATH": path,
        "PYTHONPATH": str(_site(venv / "site")),
        "VIRTUAL_ENV": str(venv),
    }


def _kept() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}


def _site(folder: Path) -> Path:
    """What each Python imports as it starts."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(_WITHOUT, encoding="utf-8")
    return folder


@contextmanager
def warm_process(folder: Path) -> Iterator[str]:
    """The process of `warm`, by its name; `folder` is new."""
    name = f"vmamba-docs-{os.getpid()}"
    with subprocess.Popen(
        [sys.executable, _HERE / "warm.py", "serve", name],
        env=_kept() | {"PYTHONPATH": str(_site(folder))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield name
