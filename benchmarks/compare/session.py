"""One contender in one runtime, in a process of its own.

`python -m benchmarks.compare.session MODEL.onnx RUNTIME THREADS SIDE` opens the file and
writes a line of JSON: `{}`, or why it cannot (`absent`). Then it answers lines: a number is a batch
size, of which one call is made, and answered with its milliseconds; `peak` is answered with the
most bytes of memory that the process held since it was asked that last, or since the file was open.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import signal
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.compare.ways import runtime_on
from benchmarks.dense_session import peak_bytes
from vmamba_deploy.errors import VmambaError

_CLEAR_PEAK = "5"


def main(model: Path, way: str, threads: int, side: int) -> None:
    """Answer the lines."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for who started it, and ends it
    try:
        runtime = runtime_on(model, way, threads)
        status = runtime.status()
        session = runtime.open() if status.available else None
        reason = status.reason
    except VmambaError as error:
        session, reason = None, error.message
    print(json.dumps({} if session else {"absent": reason}), flush=True)
    if session is None:
        return
    runtime = None  # it holds the graph as Python read it
    _forget_peak()

    @cache
    def images(batch: int) -> Any:
        return np.random.default_rng(0).normal(size=(batch, 3, side, side)).astype(np.float32)

    for line in sys.stdin:
        if line == "peak\n":
            print(peak_bytes(), flush=True)
            _forget_peak()
            continue
        pixels = images(int(line))
        start = time.perf_counter()
        session(pixels)
        print((time.perf_counter() - start) * 1e3, flush=True)


def _forget_peak() -> None:
    """Give back what is not in use, and count anew (`man 5 proc_pid_clear_refs`)."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # glibc alone has it
        ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text(_CLEAR_PEAK)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
