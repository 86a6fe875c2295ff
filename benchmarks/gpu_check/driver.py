"""Runs the parts, each command in a process group of its own.

A fault in a kernel spoils the CUDA context of its process and a deadlock hangs it: neither reaches
the next command. What is stopped, also by a signal to the driver itself, leaves its log.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from benchmarks.gpu_check.parts import Command, Part
from benchmarks.gpu_check.record import Json, Record, tests_of
from vmamba_deploy.errors import ExitCode

_ROOT = Path(__file__).resolve().parents[2]
_TAIL_LINES = 25
_NOTHING_RAN = 5  # pytest's exit code where no test was chosen
_REHEARSAL_LIMIT = 10  # the limits are those of a machine with a GPU, which has fast cores as well
_POLL_S = 0.2  # how long a signal to the driver waits to be noticed
_DEATH_S = 10  # for what hangs in the GPU's driver and outlives SIGKILL; then the next has its turn
Announce = Callable[[str], None]


class Stopped(BaseException):
    """The driver was told to end: what runs is stopped and kept."""


@dataclass(frozen=True)
class Setting:
    """How commands run.

    Attributes:
        work: the folder of their logs.
        variables: of their environment, beside the driver's own.
        rehearsal: tiny sizes on the CPU.
        extra: further arguments by the name of a command.
    """

    work: Path
    variables: Mapping[str, str]
    rehearsal: bool = False
    extra: Mapping[str, tuple[str, ...]] | None = None


def run_parts(
    parts: Sequence[Part],
    record: Record,
    setting: Setting,
    announce: Announce,
    again: Sequence[str] = (),
) -> None:
    """Run what the record lacks, and the parts named in `again`; it is on disk after each part.

    Raises:
        Stopped: on SIGTERM, SIGINT or SIGHUP, once the record is complete.
    """
    setting.work.mkdir(parents=True, exist_ok=True)
    record.save()
    with _Signals() as signals:
        for part in parts:
            signals.raise_if_told()
            if record.has_passed(part.name) and part.name not in again:
                announce(f"{part.name}: kept from the earlier call")
                continue
            announce(f"{part.name}: {part.summary}")
            _run_part(part, record, setting, announce, signals)


def _run_part(
    part: Part, record: Record, setting: Setting, announce: Announce, signals: _Signals
) -> None:
    limit_s = part.limit_s * (_REHEARSAL_LIMIT if setting.rehearsal else 1)
    entry: Json = {"status": "skipped", "seconds": 0.0, "limit_s": limit_s, "commands": {}}
    absent = _absent(part, setting)
    start = time.monotonic()
    try:
        for command in () if absent else part.commands:
            left = limit_s - (time.monotonic() - start)
            # In the record before it ends: a signal finds all that is known so far.
            entry["commands"][command.name] = row = {"status": "stopped"}
            row |= _run_command(command, setting, max(left, 0.0), row, signals)
    finally:
        entry["seconds"] = round(time.monotonic() - start, 1)
        entry["status"] = _status(entry["commands"])
        entry["reason"] = absent or _reason(entry["commands"])
        record.keep(part.name, entry)
    why = f": {entry['reason']}" if entry["reason"] else ""
    announce(f"  {entry['status']} in {entry['seconds']:.0f} s{why}")
    for row in entry["commands"].values():
        announce(row["tail"])


def _absent(part: Part, setting: Setting) -> str | None:
    """What this machine lacks for a part, in one sentence."""
    if setting.rehearsal and not part.rehearsed:
        return "it needs a GPU"
    for command in part.commands:
        package = "click" if command.measures else "pytest"
        if importlib.util.find_spec(package) is None:
            return f"Python has no {package}"
    return None


def _run_command(
    command: Command, setting: Setting, limit_s: float, row: Json, signals: _Signals
) -> Json:
    """Status, seconds and end of the output; the results, or pytest's counts and rows."""
    log, results = (setting.work / f"{command.name}.{kind}" for kind in ("log", "json"))
    junit = setting.work / f"{command.name}.xml"
    for file in (log, results, junit):
        file.unlink(missing_ok=True)
    arguments = _arguments(command, setting, results, junit)
    row["arguments"] = ["python", "-m", *arguments]
    start = time.monotonic()
    try:
        code = _wait([sys.executable, "-m", *arguments], log, setting.variables, limit_s, signals)
    finally:
        row |= {"seconds": round(time.monotonic() - start, 1), "tail": _tail(log)}
        row["tests" if not command.measures else "result"] = (
            _json_of(results) if command.measures else tests_of(junit)
        )
    return {"status": _ending(command, code, row), "exit_code": code}


def _arguments(command: Command, setting: Setting, results: Path, junit: Path) -> list[str]:
    extra = (setting.extra or {}).get(command.name, ())
    if not command.measures:
        # Of JUnit's two forms the one that keeps what tests have recorded.
        told = ("-p", "no:cacheprovider", "-o", "junit_family=xunit1", f"--junitxml={junit}")
        return [*command.arguments, *extra, *told]
    arguments = [*command.arguments, *extra, "--json", str(results)]
    if setting.rehearsal:
        arguments = ["cpu" if word == "cuda" else word for word in arguments] + ["--tiny"]
    return arguments


def _wait(
    command: list[str],
    log: Path,
    variables: Mapping[str, str],
    limit_s: float,
    signals: _Signals,
) -> int | None:
    """The exit code; None where the limit stopped it. The whole process group is gone then."""
    end = time.monotonic() + limit_s
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONUNBUFFERED": "1"} | dict(variables),
            cwd=_ROOT,
            start_new_session=True,
        )
        try:
            code = _code(process, end, signals)
        finally:
            _end(process)
        if code is None:
            output.write(f"\nstopped after {limit_s:.0f} s\n")
        elif code < 0:
            output.write(f"\nended by signal {-code}: {signal.strsignal(-code)}\n")
    return code


def _code(process: subprocess.Popen[bytes], end: float, signals: _Signals) -> int | None:
    while (left := end - time.monotonic()) > 0:
        with suppress(subprocess.TimeoutExpired):
            return process.wait(timeout=min(left, _POLL_S))
        signals.raise_if_told()
    return process.poll()


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process's whole group, whether it still runs or has left children behind."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=_DEATH_S)


def _ending(command: Command, code: int | None, row: Json) -> str:
    if code is None:
        return "timeout"
    tests = row.get("tests")
    lacks = code == (ExitCode.ENVIRONMENT if command.measures else _NOTHING_RAN)
    if lacks or (code == 0 and tests and not tests["passed"]):
        return "skipped"
    if code == 0 and (tests or row.get("result")):
        return "passed"
    return "failed"


def _status(commands: Mapping[str, Json]) -> str:
    """Of a part: the worst of its commands."""
    found = {row["status"] for row in commands.values()}
    order = ("stopped", "failed", "timeout", "passed", "skipped")
    return next((status for status in order if status in found), "skipped")


def _reason(commands: Mapping[str, Json]) -> str | None:
    for name, row in commands.items():
        if row["status"] in ("failed", "timeout") or (row["status"] == "skipped" and row["tail"]):
            skips = (row.get("tests") or {}).get("skips")
            if row["status"] == "skipped" and skips:
                return f"{name}: {skips[0]}"
            lines = [line for line in row["tail"].splitlines() if line.strip()]
            told = [line for line in lines if not line.startswith("hint: ")] or lines
            return f"{name}: {told[-1].strip() if told else row['exit_code']}"
    return None


def _json_of(path: Path) -> Json | None:
    try:
        value: Json = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):  # not written, or by a command that was stopped
        return None
    return value


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.is_file() else []
    return "\n".join(lines[-_TAIL_LINES:])


class _Signals:
    """SIGTERM, SIGINT and SIGHUP in the block are noted, and told where nothing is half done."""

    _SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

    def __enter__(self) -> _Signals:
        self._told: str | None = None
        # One that is ignored stays so: `nohup` wants no SIGHUP.
        heard = [each for each in self._SIGNALS if signal.getsignal(each) is not signal.SIG_IGN]
        self._before = {each: signal.signal(each, self._note) for each in heard}
        return self

    def __exit__(self, *_: object) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)

    def raise_if_told(self) -> None:
        """Raise Stopped once a signal has come."""
        if self._told is not None:
            raise Stopped(self._told)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._told = self._told or signal.Signals(number).name
