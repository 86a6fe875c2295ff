"""The command line asked in this process, and what every refusal has in common."""

from __future__ import annotations

import faulthandler
import hashlib
import io
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.processes import HANG_S
from vmamba_deploy.cli.app import main
from vmamba_deploy.errors import ExitCode


@dataclass(frozen=True)
class Answer:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str


def ask(*arguments: object) -> Answer:
    """Run `vmamba-deploy ARGUMENTS` here; one that hangs ends the test run with its stack."""
    out, err = io.StringIO(), io.StringIO()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with (
            _no_hang(),
            redirect_stdout(out),
            redirect_stderr(err),
            pytest.raises(SystemExit) as ended,
        ):
            main([str(argument) for argument in arguments])
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert isinstance(ended.value.code, int)
    return Answer(ended.value.code, out.getvalue(), err.getvalue())


def assert_refused(answer: Answer, code: ExitCode, *words: str) -> None:
    """A refusal that a user can act on: a documented code, one error that names the cause."""
    told = f"exit {answer.code}\n{answer.out}\n{answer.err}"
    assert answer.code == code != ExitCode.BUG, told
    errors = [line for line in answer.err.splitlines() if line.lower().startswith("error: ")]
    assert len(errors) == 1, told
    assert "Traceback" not in told
    assert "this is a bug" not in told
    assert [word for word in words if word not in answer.err] == [], told
    assert_plain(answer)


def assert_plain(answer: Answer) -> None:
    """Nothing that a terminal would obey."""
    for line in (answer.out + answer.err).splitlines():
        assert line.replace("\t", " ").isprintable(), ascii(line)


def listing(folder: Path) -> dict[str, str]:
    """What lies in a folder, each name with its content's hash."""
    return {str(path.relative_to(folder)): _content(path) for path in folder.rglob("*")}


def _content(path: Path) -> str:
    if path.is_symlink() or not path.is_file():
        return oct(path.lstat().st_mode)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _no_hang() -> Iterator[None]:
    faulthandler.dump_traceback_later(HANG_S, exit=True, file=sys.__stderr__)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
