"""One session of ONNX Runtime in a process of its own: each line on its input is a call.

`python -m benchmarks.dense_session MODEL.onnx FEEDS.npz THREADS [LIBRARY]` answers every line with
the milliseconds of a call. At the end of its input it answers with JSON: `peak_bytes`, the most
memory that the process held, Python's and ONNX Runtime's own with it, and `shares`, what part of
the time the nodes of each op took in a profiled call, where there is a library.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort


def open_session(
    model: Path, threads: int, library: str | None, profile: Path | None = None
) -> ort.InferenceSession:
    """A session on the CPU; `profile` is what the name of the file begins with that it writes."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    if library is not None:
        options.register_custom_ops_library(library)
    if profile is not None:
        options.enable_profiling, options.profile_file_prefix = True, str(profile)
    return ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def shares(events: list[dict[str, Any]]) -> dict[str, float]:
    """Of the time of all nodes in a profile the part of each op, the largest first."""
    spent: Counter[str] = Counter()
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            spent[event["args"]["op_name"]] += event["dur"]
    return {op: us / spent.total() for op, us in spent.most_common()}


def profiled_shares(
    model: Path, feeds: dict[str, Any], threads: int, library: str
) -> dict[str, float]:
    """The shares in the calls of a session that writes down when its nodes begin and end."""
    with tempfile.TemporaryDirectory() as folder:
        session = open_session(model, threads, library, Path(folder) / "profile")
        for _ in range(2):
            session.run(None, feeds)
        return shares(json.loads(Path(session.end_profiling()).read_text()))


def peak_bytes() -> int:
    """The most memory that this process held; `getrusage` would count its parent's before it."""
    (line,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(line) << 10


def main(model: Path, feeds_path: Path, threads: int, library: str | None = None) -> None:
    """Answer the lines."""
    with np.load(feeds_path) as kept:
        feeds = dict(kept)
    session = open_session(model, threads, library)
    for _ in sys.stdin:
        start = time.perf_counter()
        session.run(None, feeds)
        print((time.perf_counter() - start) * 1e3, flush=True)
    held = peak_bytes()
    found = profiled_shares(model, feeds, threads, library) if library else {}
    print(json.dumps({"peak_bytes": held, "shares": found}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:5])
