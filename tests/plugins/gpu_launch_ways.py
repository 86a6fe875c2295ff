"""A case for every way in which the library launches its kernels on a GPU.

The choice depends on the shape, the batch and the GPU, so the cases are searched for: random shapes
are put to the library's own plan, and the smallest of each way is kept.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

from gpu_cases import AccuracyCase

from benchmarks.launch_plan import GpuLimits, Plan, make_plan
from benchmarks.op_shapes import OP_SHAPES
from vmamba_deploy.ops.selective_scan.specification import ALL_ROUTES, ScanDims
from vmamba_deploy.testing import every_form

DRAWS = 30_000
LARGEST_WORK = 60_000_000  # pixels times channels times states: what float64 can follow
_BATCH, _SMALLEST_SIDE, _LARGEST_SIDE = 256, 7, 400
_CHANNELS, _STATES, _RANKS = (16, 32, 64, 96, 192, 384), (1, 1, 2, 4, 8, 16, 20), (1, 2, 6, 12)


def way_of(dims: ScanDims, plan: Plan) -> str:
    """What a plan does, such as `one state, map in shared memory, warps a scan: 12`."""
    place = "global" if plan.global_map else "shared"
    if plan.walk_states == 1:
        way = f"one state, map in {place} memory, warps a scan: {plan.warps_per_scan}"
        return way + (f", tiles a segment: {plan.pieces_per_segment}" if plan.segments > 1 else "")
    way = f"{'many' if plan.walk_states > 8 else 'few'} states"
    if len(dims.routes) < len(ALL_ROUTES):
        way += f", routes: {len(dims.routes)}"
    if plan.segments == 1:
        return way
    length = "one chunk" if plan.pieces_per_segment == 1 else "several chunks"
    starts = "launched for" if plan.finds_starts else "found by themselves"
    return f"{way}, segments of {length}, starts {starts}"


def cases_of_every_way(gpu: GpuLimits) -> list[AccuracyCase]:
    """The smallest case found of each way on this GPU; the same ones each time."""
    smallest: dict[str, ScanDims] = {}
    drawn = (*_drawn(0), *_in_any_form(_drawn(1)))
    small = (dims for dims in drawn if work_of(dims) <= LARGEST_WORK)
    for dims in (*small, *_judged()):
        way = way_of(dims, make_plan(dims, gpu))
        if way not in smallest or work_of(dims) < work_of(smallest[way]):
            smallest[way] = dims
    return [AccuracyCase(way, dims) for way, dims in sorted(smallest.items())]


def work_of(dims: ScanDims) -> int:
    """Pixels times channels times states of all images."""
    return dims.batch * dims.length * dims.channels * dims.state


def _judged() -> Iterator[ScanDims]:
    """The shapes by which the op is judged, with batches that fill a GPU more and more."""
    for shape in OP_SHAPES:
        for batch in (1, 2, 4, 8, 16, 32, 64, 128):
            yield shape.dims(batch)


def _in_any_form(sizes: Iterable[ScanDims]) -> Iterator[ScanDims]:
    draw = random.Random(2)
    for dims in sizes:
        yield draw.choice(every_form(dims))


def _drawn(seed: int) -> Iterator[ScanDims]:
    draw = random.Random(seed)
    for _ in range(DRAWS):
        side = round(_SMALLEST_SIDE * (_LARGEST_SIDE / _SMALLEST_SIDE) ** draw.random())
        yield ScanDims(
            batch=round(_BATCH ** draw.random()),
            height=side,
            width=side,
            channels=draw.choice(_CHANNELS),
            state=draw.choice(_STATES),
            rank=draw.choice(_RANKS),
        )
