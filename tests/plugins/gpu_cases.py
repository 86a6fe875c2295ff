"""The shape classes at which the op is compared with float64."""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch

from benchmarks.op_shapes import OP_SHAPES
from vmamba_deploy.ops.selective_scan_2d.specification import ScanDims

FP32, FP16, BF16 = torch.float32, torch.float16, torch.bfloat16
DTYPES = ((FP32, FP32), (FP16, FP32), (FP16, FP16), (BF16, FP32), (BF16, BF16))


@dataclass(frozen=True)
class AccuracyCase:
    """One call; `offset` elements lie before x and proj in their memory."""

    kind: str
    dims: ScanDims
    offset: int = 0


_EDGES = {
    "one pixel": ScanDims(3, 1, 1, 96, 1, 6),
    "one row": ScanDims(2, 1, 301, 48, 1, 3),
    "one column": ScanDims(2, 301, 1, 48, 1, 3),
    "odd sides": ScanDims(2, 57, 31, 96, 1, 6),
    "narrow map": ScanDims(1, 400, 3, 32, 1, 2),
    "one channel": ScanDims(2, 9, 7, 1, 1, 1),
    "odd channels": ScanDims(2, 14, 13, 33, 1, 5),
    "seventeen channels": ScanDims(1, 20, 20, 17, 3, 7),
    "rank 1": ScanDims(2, 14, 14, 64, 1, 1),
    "rank 256": ScanDims(1, 7, 7, 64, 1, 256),
    "2 states": ScanDims(2, 14, 14, 64, 2, 4),
    "5 states": ScanDims(2, 15, 11, 40, 5, 9),
    "17 states": ScanDims(1, 14, 14, 64, 17, 4),
    "256 states": ScanDims(1, 7, 9, 24, 256, 3),
    "more images than multiprocessors": ScanDims(150, 14, 14, 64, 1, 4),
    "few channels of a long route": ScanDims(1, 96, 96, 16, 1, 1),
    "1280 x 800": ScanDims(1, 200, 320, 96, 1, 6),
    "1280 x 800, 16 states": ScanDims(1, 100, 160, 32, 16, 2),
}


def fixed_cases() -> list[AccuracyCase]:
    """The shapes of published networks, the edges, and maps that start at odd addresses."""
    networks = [
        AccuracyCase(f"{shape.name} batch {batch}", shape.dims(batch))
        for shape in OP_SHAPES
        for batch in (1, 3)
    ]
    edges = [AccuracyCase(kind, dims) for kind, dims in _EDGES.items()]
    odd = [AccuracyCase(f"x at element {n}", ScanDims(2, 14, 14, 96, 1, 6), n) for n in (1, 4)]
    return networks + edges + odd


def random_case(seed: int, *, largest_side: int = 40) -> AccuracyCase:
    """A case that depends on the seed alone; small sizes are as frequent as large ones."""
    draw = random.Random(seed)

    def log_uniform(high: int) -> int:
        return round(high ** draw.random())

    dims = ScanDims(
        batch=log_uniform(6),
        height=log_uniform(largest_side),
        width=log_uniform(largest_side),
        channels=log_uniform(200),
        state=draw.choice((1, 1, 1, 2, 4, 8, 16, log_uniform(20))),
        rank=log_uniform(48),
    )
    return AccuracyCase(f"random {seed}", dims)
