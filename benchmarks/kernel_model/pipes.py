"""How long an instruction keeps a pipe of its scheduler, in cycles."""

from __future__ import annotations

import re

from benchmarks.kernel_model.classes import Kind, Pipe, kind_of, pipe_of
from benchmarks.kernel_model.gpus import SCHEDULERS, WARP, Gpu
from benchmarks.kernel_model.sass import Instruction

# Lines that a global access touches: of eight runs of pixels where N = 1; of the channels of one
# pixel, but for the projections, where N > 1. The tags are looked up four at a time; the lines'
# banks collide about in pairs.
SCATTERED_LINES, ROW_LINES, TAGS_PER_CYCLE, LINES_PER_WAVEFRONT = 8, 2, 4, 2
_WAVEFRONT_BYTES = 128
_SHAPE = re.compile(r"HMMA\.(16816|1688|884)")
_MACS = {"16816": 16 * 8 * 16, "1688": 16 * 8 * 8, "884": 8 * 8 * 4}


def cycles_on_pipe(instruction: Instruction, gpu: Gpu, lines: int) -> float:
    """Cycles until the pipe takes another instruction of this scheduler.

    The multiprocessor's four schedulers share the load/store unit: each gets a quarter of it.
    lines: cache lines that an access to global memory touches.
    """
    pipe = pipe_of(instruction)
    if pipe is Pipe.LSU:
        return SCHEDULERS * _wavefronts(instruction, lines)
    if pipe is Pipe.TENSOR:
        shape = _SHAPE.match(instruction.opcode)
        macs = _MACS[shape[1]] if shape else _MACS["16816"]
        return macs * SCHEDULERS / gpu.tensor_macs
    if pipe is Pipe.XU:
        return WARP * SCHEDULERS / gpu.special_lanes
    if pipe is Pipe.ALU:
        return WARP * SCHEDULERS / gpu.alu_lanes
    # One half of the float lanes where there are two; the simulation takes either half.
    return 2.0


def _wavefronts(instruction: Instruction, lines: int) -> float:
    kind = kind_of(instruction)
    if kind is Kind.SHUFFLE:
        return 1.0
    moved = WARP * _access_bytes(instruction) / _WAVEFRONT_BYTES
    if kind is Kind.GLOBAL:
        return max(moved, lines / TAGS_PER_CYCLE, lines / LINES_PER_WAVEFRONT)
    return max(1.0, moved)


def _access_bytes(instruction: Instruction) -> int:
    for suffix, size in ((".128", 16), (".64", 8), (".U16", 2), (".S16", 2), (".U8", 1)):
        if suffix in instruction.opcode:
            return size
    return 4
