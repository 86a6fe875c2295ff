"""The bytes that a launch moves between the multiprocessors, the L2 cache and memory."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.kernel_model.gpus import Gpu
from benchmarks.kernel_model.kernels import Work, group_channels
from benchmarks.op_shapes import OpShape

HALF, FLOAT, SECTOR = 2, 4, 32


@dataclass(frozen=True)
class Traffic:
    """Bytes of a launch."""

    l2: float
    dram: float


def route_traffic(work: Work, batch: int, resident_scans: float, gpu: Gpu) -> Traffic:
    """Of a launch that walks `work.routes` over the whole batch; L1 hits are not counted on.

    Every route of every group of channels reads x and its part of the projections from the L2
    cache, and the map, where that is not in shared memory. What the scans in flight work on stays
    in the L2 cache from route to route if it fits; else it comes from memory each time.
    """
    shape, plan = work.shape, work.plan
    pixels = batch * work.length
    group = group_channels(shape.state)
    groups = -(-shape.channels // group)
    x = float(pixels * groups * group * HALF)
    read = sum(x + pixels * groups * _sectors(shape, route) * SECTOR for route in work.routes)
    map_passes = (
        sum((route in work.global_loads) + (route in work.global_stores) for route in work.routes)
        if work.merges
        else 0
    )
    map_bytes = map_passes * x / HALF * FLOAT
    y = x if work.merges and 3 in work.routes else 0.0
    inputs = float(pixels * (shape.channels + shape.proj_features) * HALF)
    l2 = read + map_bytes + y
    if inputs + map_bytes <= gpu.l2_bytes / 2:
        return Traffic(l2, 0.0)  # a replayed graph finds its inputs in the cache
    in_flight = resident_scans * (inputs + (map_bytes if plan.global_map else 0)) / batch
    in_flight /= groups * plan.segments
    if in_flight <= gpu.l2_bytes:
        return Traffic(l2, inputs + y + map_bytes * (plan.segments > 1))
    return Traffic(l2, len(work.routes) * inputs + y + map_bytes)


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
