"""One contender at one size of image: its files in every runtime, beside the yardstick.

Everything has a process of its own, and all take turns: the contender in each runtime and precision
that was asked for, and the yardstick in fp32 in each runtime. So a ratio is always one of two calls
that were made within a second or two, however long the whole comparison takes.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from benchmarks.compare.contenders import Contender
from benchmarks.compare.files import Files
from benchmarks.compare.int8 import HOW
from benchmarks.compare.turns import busy_cores, take_turns
from benchmarks.session_process import Process, started
from benchmarks.timing import ratio_spread, spread
from vmamba_deploy.analysis.operations import matrix_product_rate
from vmamba_deploy.errors import VmambaError

Json = dict[str, Any]
FP32, INT8 = "fp32", "int8"
PRECISIONS = (FP32, INT8)


@dataclass(frozen=True)
class Asked:
    """How everything is measured.

    Attributes:
        ways: runtimes, the first the yardstick's.
        precisions: of `PRECISIONS`.
        batches: of images of the smallest side; of larger ones the first alone.
        sides: in pixels, ascending.
        threads: of each session.
        seconds: of calls in each cell, about.
        yardstick: that all are compared with.
    """

    ways: tuple[str, ...]
    precisions: tuple[str, ...]
    batches: tuple[int, ...]
    sides: tuple[int, ...]
    threads: int
    seconds: float
    yardstick: Contender

    def batches_of(self, side: int) -> tuple[int, ...]:
        """The batches of a size of image."""
        return self.batches if side == self.sides[0] else self.batches[:1]


@dataclass(frozen=True)
class Cell:
    """What has a process."""

    way: str
    precision: str


@dataclass
class Opened:
    """Processes that have opened their file, and why others have not."""

    processes: dict[Cell, Process] = field(default_factory=dict)
    absent: list[Json] = field(default_factory=list)
    failed: list[Json] = field(default_factory=list)


def open_cells(
    contender: Contender,
    side: int,
    cells: Sequence[Cell],
    files: Files,
    asked: Asked,
    stack: ExitStack,
) -> Opened:
    """Start a process for each cell, all at once; they end with the stack."""
    opened, starting = Opened(), {}
    for cell in cells:
        try:
            path = files.onnx(contender, side, cell.precision)
        except VmambaError as error:
            opened.absent.append(_about(cell) | {"reason": error.message})
            continue
        words = [str(path), cell.way, str(asked.threads), str(side)]
        starting[cell] = stack.enter_context(started("benchmarks.compare.session", words))
    for cell, process in starting.items():
        try:
            answer = json.loads(process.answer())
        except RuntimeError as error:  # its own message stands on the terminal
            opened.failed.append(_about(cell) | {"reason": str(error)})
            continue
        if "absent" in answer:
            opened.absent.append(_about(cell) | {"reason": answer["absent"]})
        else:
            opened.processes[cell] = process
    return opened


def measure(
    contender: Contender, side: int, yardsticks: Mapping[Cell, Process], files: Files, asked: Asked
) -> Json:
    """Every cell of a contender, at every batch size of this size of image.

    Args:
        yardsticks: processes of the yardstick in fp32 at this size of image.
    """
    busy, rate = busy_cores(), matrix_product_rate()
    size = files.size(contender, side)
    cells = [Cell(*each) for each in itertools.product(asked.ways, asked.precisions)]
    with ExitStack() as stack:
        opened = open_cells(contender, side, cells, files, asked, stack)
        rows = [
            row
            for batch in asked.batches_of(side)
            for row in rows_beside(opened.processes, yardsticks, batch, asked)
        ]
    return {
        "network": contender.name,
        "side": side,
        "parameters": size.parameters,
        "multiply_adds": size.multiply_adds,
        "multiply_adds_per_s": rate,
        "busy_cores": busy,
        "int8": HOW[contender.int8],
        "rows": rows,
        "absent": opened.absent,
        "failed": opened.failed,
    }


def rows_beside(
    processes: Mapping[Cell, Process], yardsticks: Mapping[Cell, Process], batch: int, asked: Asked
) -> list[Json]:
    """Times of one batch size: of each cell, and within each round over those of others.

    `over_yardstick` is over the yardstick in fp32 in the first runtime, `over_yardstick_here` in
    the cell's own, `over_fp32` over the contender itself in fp32 there; a ratio whose other cell
    was not measured is left out.
    """
    calls = {
        (own, cell): partial(_call, process, batch)
        for own, group in ((True, processes), (False, yardsticks))
        for cell, process in group.items()
    }
    if not processes:
        return []
    times = take_turns(calls, asked.seconds)
    first = Cell(asked.ways[0], FP32)
    rows = []
    for cell, process in processes.items():
        own, here = times[True, cell], Cell(cell.way, FP32)
        beside = {
            "over_yardstick": times.get((False, first)),
            "over_yardstick_here": times.get((False, here)),
            "over_fp32": times.get((True, here)),
        }
        ms = spread(own)
        rows.append(
            _about(cell)
            | {
                "batch": batch,
                "ms": ms,
                "images_per_s": batch / ms["median"] * 1e3,
                "rounds": len(own),
                "peak_bytes": int(process.ask("peak")),
            }
            | {name: ratio_spread(own, others) for name, others in beside.items() if others}
        )
    return rows


def _call(process: Process, batch: int) -> float:
    return float(process.ask(str(batch)))


def _about(cell: Cell) -> Json:
    return {"runtime": cell.way, "precision": cell.precision}
