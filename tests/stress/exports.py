"""Exports of the digits network as processes of their own, and what their folder holds.

Each process runs the whole command. It is forked from one that has exported before, so that 400 of
them need no half minute of imports each. That one opens no session and has no pool of PyTorch's,
for a fork copies no threads.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import onnxruntime  # noqa: F401  here, or each load would import it
import torch

from tests.digits import SIDE, WEIGHTS, digits_of
from tests.processes import wait_until
from vmamba_deploy.artifacts.manifest import Manifest
from vmamba_deploy.artifacts.verification import verify
from vmamba_deploy.cli import main
from vmamba_deploy.errors import ExitCode, VmambaError
from vmamba_deploy.inference import load

PRECISIONS = ("fp32", "fp16")
STEPS = ("weights", "export", "library", "report", "manifest", "publish")
WRONG = 70
"""Exit code of a load that gives other numbers than the network's: a corrupt one."""
_CRASHED = 71


@dataclass(frozen=True)
class Run:
    """An export that has begun: its process, which leads a session, and its JSON lines."""

    process: int
    precision: str
    events: BinaryIO

    def wait_for_step(self, step: str) -> None:
        """Return when the step has begun, or the run has ended."""
        for line in self.events:
            event = json.loads(line)
            if (event["event"], event.get("step")) == ("step-started", step):
                return

    def end(self) -> int:
        """Its exit code, or minus the signal's number, when it and its children are gone."""
        for line in self.events:
            event = json.loads(line)
            if event["event"] == "error" and event["exit_code"] != ExitCode.RESOURCES:
                sys.stderr.write(f"{event['message']}\n")
        self.events.close()
        code = ended(self.process)
        wait_until(lambda: not _sessions_processes(self.process))
        return code


def start_export(folder: Path, precision: str) -> Run:
    reading, writing = os.pipe()
    process = forked(lambda: _export(folder, precision, writing))
    os.close(writing)
    return Run(process, precision, os.fdopen(reading, "rb"))


def warm(folder: Path) -> None:
    """Export in this process, silently, so that those forked from it find everything imported."""
    torch.set_num_threads(1)
    stdout = os.dup(1)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    try:
        main(_arguments(folder, PRECISIONS[0]))
    except SystemExit as end:
        assert end.code == 0, "an export failed"  # noqa: PT017
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)
    _pixels()
    gc.freeze()  # the collector would touch, and so copy, every page in each child


def step_seconds(folder: Path, precision: str) -> dict[str, float]:
    """What each step of an export takes, by one that runs to its end."""
    run = start_export(folder, precision)
    (result,) = (event for event in map(json.loads, run.events) if event["event"] == "result")
    assert run.end() == 0
    return result["seconds"]


def forked(work: Callable[[], int]) -> int:
    """The process that runs `work` and ends with the exit code that it gives or raises."""
    sys.stdout.flush()
    process = os.fork()
    if process:
        return process
    code: object = _CRASHED
    try:
        os.setsid()
        code = work()
    except SystemExit as end:
        code = end.code
    except VmambaError as error:
        code = error.exit_code
    finally:
        if code == _CRASHED:
            traceback.print_exc()
        os._exit(code if isinstance(code, int) else _CRASHED)


def ended(process: int) -> int:
    """Its exit code, or minus the signal's number."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def start_load(folder: Path, expected: Path) -> int:
    """A process that opens the folder as an application does, and runs it.

    It ends with 0, with the code of a refusal, or with `WRONG`.

    Args:
        folder: of artefacts.
        expected: folder of `<precision>.npy`, the logits; those not there yet are written.
    """
    return forked(lambda: _load(folder, expected))


def state(folder: Path) -> Manifest | None:
    """The manifest of a folder that is what it says; None where there is no folder.

    Raises:
        IntegrityError: it is there, and is not.
    """
    return verify(folder) if folder.exists() else None


def leftovers(folder: Path) -> list[str]:
    """What lies beside the folder and is neither it nor its lock."""
    own = {folder.name, f".{folder.name}.lock"}
    return sorted(entry.name for entry in folder.parent.iterdir() if entry.name not in own)


def _arguments(folder: Path, precision: str) -> list[str]:
    flags = ["--json", "--quiet", "--no-engine", "--no-parity", f"--image-size={SIDE}"]
    flags += [] if precision == "fp32" else [f"--{precision}"]
    return ["export", f"--weights={WEIGHTS}", f"--output={folder}", *flags]


def _export(folder: Path, precision: str, events: int) -> int:
    os.dup2(events, 1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the same as text
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main(_arguments(folder, precision))
    return ExitCode.BUG  # main ends the process


@cache
def _pixels() -> npt.NDArray[np.float32]:
    return digits_of().pixel_values()[:4]


def _load(folder: Path, expected: Path) -> int:
    pixels = _pixels()
    with load(folder, runtime="ort", streams=1, threads=1) as model:
        logits, known = (
            model.outputs(pixels)["logits"],
            expected / f"{model.manifest.precision}.npy",
        )
    if not known.exists():
        np.save(known, logits)
    return ExitCode.OK if np.array_equal(logits, np.load(known)) else WRONG


def _sessions_processes(leader: int) -> list[int]:
    """Processes of a session that still run."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(entry.name))
    return found
