"""Runs the stages, each in a process of its own, and keeps the record.

A fault in a kernel spoils the CUDA context of its process and a deadlock hangs it: neither reaches
the next stage. Budgets add up: a stage may use what those before it left, and what is left for
those after it is never touched.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.gpu_check.child import FAILED, OK, SKIPPED
from benchmarks.gpu_check.context import Json, write_json
from benchmarks.gpu_check.stages import Stage

SCHEMA_VERSION = 1
_ERROR_LINES = 40
_ROOT = Path(__file__).resolve().parents[2]
_STATUS = {OK: "passed", SKIPPED: "skipped", FAILED: "failed"}
Announce = Callable[[str], None]


@dataclass(frozen=True)
class RunOptions:
    """How to run.

    Attributes:
        folder: where the files go.
        device: `cuda`, or `cpu` for a rehearsal.
        resume: keep the record of the run before, and do not repeat what passed in it.
        repeat: stages that run again all the same.
    """

    folder: Path
    device: str = "cuda"
    resume: bool = False
    repeat: tuple[str, ...] = ()

    @property
    def record_path(self) -> Path:
        """The JSON file."""
        return self.folder / "gpu_check.json"


def run_stages(stages: Sequence[Stage], options: RunOptions, announce: Announce) -> Json:
    """Run them in order and return the record, which is on disk after each of them."""
    record = _resumed(options) if options.resume else _new_record(options)
    started, allowance = time.monotonic(), 0.0
    for stage in stages:
        allowance += stage.budget_s
        passed = record["stages"].get(stage.name, {}).get("status") == "passed"
        if passed and stage.name not in options.repeat:
            announce(f"{stage.name}: kept from the earlier run")
            continue
        announce(f"{stage.name}: {stage.summary}")
        limit = allowance - (time.monotonic() - started)
        entry = _run_one(stage, options, record, limit)
        record["stages"][stage.name] = entry
        write_json(options.record_path, record)
        why = f": {_last_line(entry['error'])}" if entry["error"] else ""
        announce(f"  {entry['status']} in {entry['seconds']:.0f} s{why}")
    record["seconds"] = round(time.monotonic() - started, 1)
    write_json(options.record_path, record)
    return record


def _new_record(options: RunOptions) -> Json:
    return {"schema_version": SCHEMA_VERSION, "rehearsal": options.device == "cpu", "stages": {}}


def _resumed(options: RunOptions) -> Json:
    if not options.record_path.is_file():
        return _new_record(options)
    record: Json = json.loads(options.record_path.read_text())
    fresh = _new_record(options)
    same = all(record.get(key) == fresh[key] for key in ("schema_version", "rehearsal"))
    return record if same else fresh


def _run_one(stage: Stage, options: RunOptions, record: Json, limit_s: float) -> Json:
    entry: Json = {"status": "skipped", "seconds": 0.0, "budget_s": stage.budget_s, "error": None}
    entry["result"] = None
    unmet = [
        name for name in stage.needs if record["stages"].get(name, {}).get("status") != "passed"
    ]
    if unmet:
        return entry | {"error": f"it needs the stage {unmet[0]}, which has not passed"}
    if options.device == "cpu" and not stage.rehearsed:
        return entry | {"error": "it needs a GPU"}
    result_path = options.folder / "stages" / f"{stage.name}.json"
    result_path.unlink(missing_ok=True)
    start = time.monotonic()
    status, error = _run_child(stage, options, result_path, limit_s)
    entry |= {"status": status, "error": error, "seconds": round(time.monotonic() - start, 1)}
    if result_path.is_file():
        entry["result"] = json.loads(result_path.read_text())
    return entry


def _run_child(
    stage: Stage, options: RunOptions, result_path: Path, limit_s: float
) -> tuple[str, str | None]:
    """Status and error text of the stage's process, which is gone when this returns."""
    order: dict[str, Any] = {
        "module": stage.module,
        "device": options.device,
        "folder": str(options.folder),
        "record": str(options.record_path),
        "result": str(result_path),
        "limit_s": limit_s,
    }
    log_path = options.folder / "logs" / f"{stage.name}.log"
    log_path.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "benchmarks.gpu_check.child", json.dumps(order)]
    with log_path.open("w") as log:
        # A session of its own, so that compilers and profilers it started end with it.
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=_environment(options),
            cwd=_ROOT,
            start_new_session=True,
        )
        try:
            code = process.wait(timeout=max(limit_s, 0.0))
        except subprocess.TimeoutExpired:
            return "timeout", f"stopped after {limit_s:.0f} s"
        finally:
            _end(process)
    if code in _STATUS and code != FAILED:
        return _STATUS[code], _last_line(log_path.read_text()) if code == SKIPPED else None
    tail = "\n".join(log_path.read_text(errors="replace").splitlines()[-_ERROR_LINES:])
    died = f"ended by {signal.Signals(-code).name}\n" if code < 0 else ""
    return "failed", died + tail


def _environment(options: RunOptions) -> dict[str, str]:
    """The children's variables: nothing is fetched, and later stages find what `build` made."""
    environment = dict(os.environ) | {"VMAMBA_ALLOW_DOWNLOADS": "0", "PYTHONUNBUFFERED": "1"}
    build = options.folder / "stages" / "build.json"
    if build.is_file():
        environment |= json.loads(build.read_text()).get("environment", {})
    return environment


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process's whole session, whether it still runs or has left children behind."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    finally:
        process.wait()


def _last_line(text: str | None) -> str:
    lines = [line for line in (text or "").splitlines() if line.strip()]
    return lines[-1] if lines else ""
