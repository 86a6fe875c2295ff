"""The bytes that a launch moves between the multiprocessors, the L2 cache and memory."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.kernel_model.gpus import Gpu
from benchmarks.kernel_model.kernels import GROUP_CHANNELS, Work
from benchmarks.op_shapes import OpShape

HALF, FLOAT, SECTOR = 2, 4, 32


@dataclass(frozen=True)
class Traffic:
    """Bytes of a launch."""

    l2: float
    dram: float


def route_traffic(work: Work, batch: int, resident_scans: float, gpu: Gpu, ends: bool) -> Traffic:
    """Of a launch that walks `work.routes` over the whole batch; L1 hits are not counted on.

    Every route of every group of 16 channels reads x and its part of the projections from the L2
    cache, and the map, where that is not in shared memory. What the scans in flight work on stays
    in the L2 cache from route to route if it fits; else it comes from memory each time.
    """
    shape = work.shape
    pixels = batch * work.length
    groups = -(-shape.channels // GROUP_CHANNELS)
    x = float(pixels * groups * GROUP_CHANNELS * HALF)
    read = sum(
        x + float(pixels) * groups * _sectors(shape, route) * SECTOR for route in work.routes
    )
    first = pixels * (shape.channels + shape.proj_features) * HALF
    map_bytes: float = 0.0
    y: float = 0.0
    if not ends:
        y = x if 3 in work.routes else 0.0
        if not work.plan.shared_map:
            whole = pixels * groups * GROUP_CHANNELS * FLOAT
            map_bytes = float(whole) * sum((route != 0) + (route != 3) for route in work.routes)
    l2 = read + map_bytes + y
    live: float = work.length * GROUP_CHANNELS * (HALF + (0 if work.plan.shared_map else FLOAT))
    live += work.length * shape.proj_features * HALF / groups
    in_flight = resident_scans * live / work.plan.segments
    if first <= gpu.l2_bytes / 2 and batch == 1:
        return Traffic(l2, 0.0)  # a replayed graph finds its inputs in the cache
    fits = in_flight <= gpu.l2_bytes
    passes = 1 if fits else len(work.routes)
    spilled = 0.0 if fits and work.plan.segments == 1 else map_bytes
    return Traffic(l2, first * passes + spilled + y)


def _sectors(shape: OpShape, route: int) -> float:
    """Sectors of 32 bytes that a route's projections of one pixel touch, on average."""
    own = (shape.rank + 2 * shape.state) * HALF
    stride = shape.proj_features * HALF
    touched = 0
    for pixel in range(SECTOR):
        begin = pixel * stride + route * own
        touched += (begin + own - 1) // SECTOR - begin // SECTOR + 1
    return touched / SECTOR


def projection_seconds(shape: OpShape, batch: int, gpu: Gpu) -> float:
    """x_proj, the product that makes the projections from x: bytes or multiply-adds."""
    pixels = batch * shape.side**2
    moved = pixels * (shape.channels + shape.proj_features) * HALF
    moved += shape.channels * shape.proj_features * HALF
    bandwidth = gpu.l2_bytes_per_s if batch == 1 else gpu.dram_bytes_per_s
    products = pixels * shape.channels * shape.proj_features
    rate = gpu.tensor_macs * gpu.multiprocessors * gpu.clock_hz / 2  # half of the peak
    return max(moved / bandwidth, products / rate) + gpu.launch_s
