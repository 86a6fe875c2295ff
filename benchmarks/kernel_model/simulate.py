"""One scheduler of a multiprocessor, cycle by cycle: how long a pass takes when warps share it.

The warps execute the same straight line of instructions. Each cycle the scheduler issues one
instruction of a warp that is ready: its stall count has passed, the scoreboards it waits for are
clear, and its pipe is free. The warp that is ready first goes first, and of warps that are ready
at once the one of the lowest number; a rule that is fair to all predicts the same within 5%. So
waiting, and what other warps can hide of it, come from the compiler's own schedule. Barriers
between warps are not simulated; the model bounds them apart.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.kernel_model.classes import Kind, Pipe, kind_of, pipe_of
from benchmarks.kernel_model.gpus import Gpu
from benchmarks.kernel_model.pipes import SCATTERED_LINES, cycles_on_pipe
from benchmarks.kernel_model.sass import Instruction
from benchmarks.kernel_model.solo import OPERANDS_READ, latency

# Until the first warp has done so many; its first one is not measured.
_PASSES = 6
_BOARDS = 6


@dataclass(frozen=True)
class _Op:
    stall: int
    waits: tuple[int, ...]
    writes: int
    reads: int
    latency: float
    pipes: tuple[int, ...]  # any of these serves
    both: bool  # needs all of them
    busy: float


# The float lanes are two halves; only one of them multiplies integers.
_HEAVY, _LITE = 0, 1
_PIPE_INDEX = {
    Pipe.ALU: 2,
    Pipe.XU: 3,
    Pipe.LSU: 4,
    Pipe.TENSOR: 5,
    Pipe.UNIFORM: 6,
    Pipe.CONTROL: 7,
}
_PIPE_COUNT = 8


def pass_cycles(
    trace: Sequence[Instruction], warps: int, gpu: Gpu, lines: int = SCATTERED_LINES
) -> float:
    """Cycles in which each of the `warps` of one scheduler executes the trace once.

    lines: cache lines that an access to global memory touches.
    """
    if not trace or warps == 0:
        return 0.0
    operations = [_operation(each, gpu, lines) for each in trace]
    ready = [[0.0] * _BOARDS for _ in range(warps)]
    position = [0] * warps
    free = [0.0] * _PIPE_COUNT
    # When a warp may issue next, and its number.
    queue = [(0.0, warp) for warp in range(warps)]
    heapq.heapify(queue)
    clock, issued = 0.0, 0
    begin: float | None = None
    while True:
        at, warp = heapq.heappop(queue)
        operation = operations[position[warp] % len(operations)]
        start = max(at, clock, _pipe_ready(operation, free))
        for board in operation.waits:
            start = max(start, ready[warp][board])
        if start > at:
            heapq.heappush(queue, (start, warp))  # others may go before
            continue
        clock = start + 1
        _occupy(operation, free, start)
        if operation.writes < _BOARDS:
            ready[warp][operation.writes] = start + operation.latency
        if operation.reads < _BOARDS:
            ready[warp][operation.reads] = max(ready[warp][operation.reads], start + OPERANDS_READ)
        position[warp] += 1
        issued += 1
        if begin is None and position[warp] == len(operations):
            begin, issued = clock, 0
        elif position[warp] == _PASSES * len(operations):
            break
        heapq.heappush(queue, (start + max(1, operation.stall), warp))
    return (clock - (begin or 0.0)) * warps * len(operations) / issued


def _operation(instruction: Instruction, gpu: Gpu, lines: int) -> _Op:
    pipe = pipe_of(instruction)
    both = False
    if pipe is Pipe.FMA:
        pipes: tuple[int, ...] = (_HEAVY, _LITE) if gpu.float_lanes == 128 else (_HEAVY,)
    elif pipe is Pipe.FMA_HEAVY:
        halves = kind_of(instruction) in (Kind.HALF, Kind.CONVERT) and gpu.float_lanes == 128
        pipes, both = ((_HEAVY, _LITE), gpu.half_lanes == 64) if halves else ((_HEAVY,), False)
    else:
        pipes = (_PIPE_INDEX[pipe],)
    boards = tuple(board for board in range(_BOARDS) if instruction.waits >> board & 1)
    result = float(latency(instruction))
    if kind_of(instruction) is Kind.GLOBAL:
        result = float(gpu.l2_latency)
    return _Op(
        instruction.stall,
        boards,
        instruction.write_scoreboard,
        instruction.read_scoreboard,
        result,
        pipes,
        both,
        cycles_on_pipe(instruction, gpu, lines),
    )


def _pipe_ready(operation: _Op, free: list[float]) -> float:
    times = [free[pipe] for pipe in operation.pipes]
    return max(times) if operation.both else min(times)


def _occupy(operation: _Op, free: list[float], start: float) -> None:
    chosen = (
        operation.pipes if operation.both else (min(operation.pipes, key=lambda pipe: free[pipe]),)
    )
    for pipe in chosen:
        free[pipe] = max(start, free[pipe]) + operation.busy
