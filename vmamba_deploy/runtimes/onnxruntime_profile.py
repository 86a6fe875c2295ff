"""The profile that ONNX Runtime writes: one JSON object a line, a line for each run of a node."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy.typing as npt

from vmamba_deploy.errors import BuildError
from vmamba_deploy.runtimes.base import fed
from vmamba_deploy.runtimes.profiles import NodeTime, NodeTimes, Span

_KERNEL, _CALL = "_kernel_time", "model_run"


class _Arguments(msgspec.Struct):
    op_name: str = ""


class _Event(msgspec.Struct):
    """A line; `ts` and `dur` are microseconds."""

    name: str
    ts: float = 0
    dur: float = 0
    args: _Arguments = msgspec.field(default_factory=_Arguments)


def profiled_nodes(
    create: Callable[[Path], Any],
    pixel_values: npt.NDArray[Any],
    others: Mapping[str, npt.NDArray[Any]],
    calls: int,
) -> list[NodeTime]:
    """See `Profiling.profile`.

    Args:
        create: an `onnxruntime.InferenceSession` that writes its profile to files of that prefix.

    Raises:
        BuildError: the profile holds no whole call: there are more nodes than ONNX Runtime notes.
    """
    with TemporaryDirectory() as folder:
        session = create(Path(folder) / "profile")
        feed = fed([taken.name for taken in session.get_inputs()], pixel_values, others)
        for _ in range(1 + calls):
            session.run(None, feed)
        file = Path(session.end_profiling())
        times, counted = NodeTimes(), -1  # the first call prepares
        for spans in _calls(file):
            if counted >= 0:
                times.add_spans(spans)
            counted += 1
    if counted < 1:
        raise BuildError("ONNX Runtime's profile holds no whole call: the network has more nodes")
    return times.per_call(counted)


def _calls(file: Path) -> Iterator[list[Span]]:
    """The nodes of each call of the network; those of subgraphs lie within others."""
    decoder, spans = msgspec.json.Decoder(_Event), list[Span]()
    with file.open("rb") as lines:
        for line in lines:
            if not line.startswith(b"{"):
                continue
            event = decoder.decode(line.rstrip(b",]\r\n"))
            if event.name == _CALL:
                yield spans
                spans = []
            elif event.name.endswith(_KERNEL):
                name, start = event.name.removesuffix(_KERNEL), event.ts / 1e3
                spans.append(Span(name, event.args.op_name, start, start + event.dur / 1e3))
