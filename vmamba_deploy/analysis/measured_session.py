"""A session of ONNX Runtime in a process of its own, so that its peak of memory is its own."""

from __future__ import annotations

import multiprocessing
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmamba_deploy.errors import ResourceError, VmambaError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_END_SECONDS = 1.0


@dataclass(frozen=True)
class Call:
    """One call of a session.

    Attributes:
        ms: wall time.
        cpu_ms: time of all of the process's threads.
        output: the first one.
    """

    ms: float
    cpu_ms: float
    output: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Memory:
    """The most that a process held, in bytes.

    Attributes:
        peak_bytes: until its end.
        empty_bytes: before it opened the model: Python, NumPy and ONNX Runtime.
    """

    peak_bytes: int
    empty_bytes: int


class MeasuredSession:
    """An ONNX file, open in another process.

    Args:
        connection: to the process.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __call__(self, pixel_values: npt.NDArray[np.float32]) -> Call:
        """Run the network once.

        Raises:
            ResourceError: the process ended: there was not enough memory.
            VmambaError: what ONNX Runtime said, as `create_session` tells it.
        """
        call: Call = self._asked(pixel_values)
        return call

    def memory(self) -> Memory:
        """What the process held until now; raises like a call."""
        memory: Memory = self._asked(None)
        return memory

    def _asked(self, what: Any) -> Any:
        try:
            self._connection.send(what)
            answer = self._connection.recv()
        except (EOFError, OSError) as error:
            raise ResourceError(
                "the process with the network ended: there may not be enough memory",
                hint="take smaller images",
            ) from error
        if isinstance(answer, VmambaError):
            raise answer
        return answer


@contextmanager
def measured_session(
    model: Path, *, library: Path | None = None, threads: int = 0
) -> Iterator[MeasuredSession]:
    """Open an ONNX file of one input in a new process, which ends with the block.

    Args:
        model: of pixel_values, float32.
        library: our custom-op library, where the file has our ops.
        threads: of the session; 0 leaves the number to ONNX Runtime.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, model, library, threads), daemon=True)
    process.start()
    there.close()
    try:
        yield MeasuredSession(here)
    finally:
        here.close()
        process.join(_END_SECONDS)
        process.kill()  # in the middle of a call
        process.join()


def peak_bytes() -> int:
    """The most memory that this process held; `getrusage` would count its parent's before it."""
    (line,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(line) << 10


def _serve(connection: Connection, model: Path, library: Path | None, threads: int) -> None:
    """Answer arrays with calls, and None with the memory, until the other side closes."""
    import onnxruntime  # noqa: F401 - is no part of what the model takes

    # A Ctrl-C reaches every process of the terminal; the one that asks ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    from vmamba_deploy.runtimes.onnxruntime import create_session

    empty, problem, session = peak_bytes(), None, None
    try:
        session = create_session(model, library=library, threads=threads, precision="fp32")
    except VmambaError as error:
        problem = error
    with suppress(EOFError, ConnectionError):  # who asked is gone
        while True:
            asked = connection.recv()
            if asked is None:
                connection.send(problem or Memory(peak_bytes(), empty))
            else:
                connection.send(problem or _timed(session, asked, model))


def _timed(session: Any, pixel_values: Any, model: Path) -> Call | VmambaError:
    from vmamba_deploy.runtimes.onnxruntime import explained

    (name,) = (each.name for each in session.get_inputs())
    start, cpu_start = time.perf_counter(), time.process_time()
    try:
        with explained(f"run {model.name}", ResourceError):
            output, *_ = session.run(None, {name: pixel_values})
    except VmambaError as error:
        return error
    cpu, wall = time.process_time() - cpu_start, time.perf_counter() - start
    return Call(wall * 1e3, cpu * 1e3, output)
