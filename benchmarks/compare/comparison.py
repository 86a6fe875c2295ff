"""The whole comparison: which contender at which size, in which order, and how long it may take."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from benchmarks.compare.contenders import CONTENDERS, SIDES, YARDSTICK, Contender
from benchmarks.compare.files import Files
from benchmarks.compare.record import Record
from benchmarks.compare.running import FP32, PRECISIONS, Asked, Cell, measure, open_cells
from benchmarks.compare.turns import LEAST_ROUNDS
from benchmarks.compare.ways import DEFAULT_WAYS
from benchmarks.compare.ways import ways as known_ways
from vmamba_deploy.analysis.operations import matrix_product_rate
from vmamba_deploy.errors import UsageError

Json = dict[str, Any]
Group = tuple[Contender, int]
# Of the estimate alone: to open a file, and the time of a call over its floor.
_OPENING_SECONDS, _OVER_FLOOR, _INT8_OVER_FP32 = 2.0, 1.6, 0.6


def chosen(names: Sequence[str]) -> dict[str, Contender]:
    """The named contenders in the registry's order; all for none.

    Raises:
        UsageError: there is none of that name.
    """
    by_name = {name.lower(): name for name in CONTENDERS}
    if unknown := [name for name in names if name.lower() not in by_name]:
        raise UsageError(
            f"there is no contender {unknown[0]!r}", hint=f"one of {', '.join(CONTENDERS)}"
        )
    wanted = {by_name[name.lower()] for name in names} or set(CONTENDERS)
    return {name: each for name, each in CONTENDERS.items() if name in wanted}


def asked_for(
    ways: Sequence[str],
    precisions: Sequence[str],
    batches: Sequence[int],
    sides: Sequence[int],
    threads: int,
    seconds: float,
) -> Asked:
    """How it is measured; what is empty has a default.

    Raises:
        UsageError: there is no such runtime or precision.
    """
    if unknown := [way for way in ways if way not in known_ways()]:
        raise UsageError(
            f"there is no runtime {unknown[0]!r}", hint=f"one of {', '.join(known_ways())}"
        )
    if unknown := [each for each in precisions if each not in PRECISIONS]:
        raise UsageError(
            f"there is no precision {unknown[0]!r} here", hint=f"one of {', '.join(PRECISIONS)}"
        )
    return Asked(
        ways=tuple(ways) or DEFAULT_WAYS,
        precisions=tuple(precisions) or PRECISIONS,
        batches=tuple(sorted(set(batches))),
        sides=tuple(sorted(set(sides or SIDES))),
        threads=threads,
        seconds=seconds,
        yardstick=CONTENDERS[YARDSTICK],
    )


def groups(contenders: Mapping[str, Contender], asked: Asked) -> list[Group]:
    """What is measured one after the other: at each size of image who is made for it."""
    return [
        (contender, side)
        for side in asked.sides
        for contender in contenders.values()
        if side in contender.sides
    ]


def missing(contenders: Mapping[str, Contender], asked: Asked, record: Record) -> list[Group]:
    """The groups that the record lacks."""
    every = groups(contenders, asked)
    return [(each, side) for each, side in every if not record.has(each.name, side)]


def prepare(
    contenders: Mapping[str, Contender],
    asked: Asked,
    files: Files,
    told: Callable[[str], None] = lambda _text: None,
) -> None:
    """Make every file that is not there."""
    yardsticks = {asked.yardstick.name: asked.yardstick}
    for contender, side in groups({**yardsticks, **contenders}, asked):
        for precision in dict.fromkeys((FP32, *asked.precisions)):
            told(f"{contender.name} {side} {precision}")
            files.onnx(contender, side, precision)
        files.size(contender, side)


def estimated_minutes(todo: Sequence[Group], asked: Asked, files: Files) -> float:
    """How long measuring takes on a machine that does nothing else."""
    rate = matrix_product_rate()
    seconds = sum(_seconds(contender, side, asked, files, rate) for contender, side in todo)
    return seconds / 60


def _seconds(contender: Contender, side: int, asked: Asked, files: Files, rate: float) -> float:
    def of_turns(each: Contender, precision: str) -> float:
        call = _OVER_FLOOR * files.size(each, side).multiply_adds / rate
        call *= _INT8_OVER_FP32 if precision != FP32 else 1.0
        return sum(
            max(asked.seconds, (2 + LEAST_ROUNDS) * call * batch)
            for batch in asked.batches_of(side)
        )

    own = sum(_OPENING_SECONDS + of_turns(contender, each) for each in asked.precisions)
    return len(asked.ways) * (own + of_turns(asked.yardstick, FP32))


def run(
    todo: Sequence[Group],
    asked: Asked,
    files: Files,
    record: Record,
    told: Callable[[Json], None] = lambda _group: None,
) -> None:
    """Measure the groups; the record is written after each of them.

    Args:
        told: what was measured of each group.
    """
    for side in asked.sides:
        left = [contender for contender, its in todo if its == side]
        if not left:
            continue
        with ExitStack() as stack:
            cells = [Cell(way, FP32) for way in asked.ways]
            yardsticks = open_cells(asked.yardstick, side, cells, files, asked, stack)
            for contender in left:
                group = measure(contender, side, yardsticks.processes, files, asked)
                record.keep(group)
                told(group)
