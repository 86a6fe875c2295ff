"""The shape classes at which the op is compared with float64."""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch

from benchmarks.op_shapes import OP_SHAPES
from vmamba_deploy.ops.selective_scan.specification import ScanDims
from vmamba_deploy.testing import every_form

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
# What other families ask of SelectiveScan: sequences of one route or two, each with its own x.
_THERE, _THERE_AND_BACK = (0,), (0, 2)
_FORMS = {
    "Vim tiny": ScanDims(2, 1, 197, 384, 16, 12, _THERE_AND_BACK, x_per_route=True),
    "Vim small": ScanDims(3, 1, 197, 768, 16, 24, _THERE_AND_BACK, x_per_route=True),
    "Vim tiny, stride 8": ScanDims(1, 1, 730, 384, 16, 12, _THERE_AND_BACK, x_per_route=True),
    "MambaVision": ScanDims(4, 1, 196, 160, 8, 20, _THERE),
    "MambaVision's windows": ScanDims(40, 1, 49, 320, 8, 40, _THERE),
    "mamba_ssm": ScanDims(2, 1, 1024, 192, 16, 1, _THERE, step_per_channel=True),
    "a long sequence": ScanDims(1, 1, 20_000, 32, 16, 2, _THERE),
    "one pixel, one route": ScanDims(3, 1, 1, 5, 1, 1, _THERE),
    "256 states, one route": ScanDims(1, 1, 63, 24, 256, 3, _THERE),
}


def fixed_cases() -> list[AccuracyCase]:
    """The shapes of published networks, the edges, and maps that start at odd addresses."""
    networks = [
        AccuracyCase(f"{shape.name} batch {batch}", shape.dims(batch))
        for shape in OP_SHAPES
        for batch in (1, 3)
    ]
    edges = [AccuracyCase(kind, dims) for kind, dims in (_EDGES | _FORMS).items()]
    sizes = (ScanDims(2, 13, 21, 33, 1, 5), ScanDims(3, 14, 14, 96, 16, 6))
    forms = [
        AccuracyCase(f"form {place}, N {size.state}", dims)
        for size in sizes
        for place, dims in enumerate(every_form(size))
    ]
    odd = [AccuracyCase(f"x at element {n}", ScanDims(2, 14, 14, 96, 1, 6), n) for n in (1, 4)]
    return networks + edges + forms + odd


def random_case(seed: int, *, largest_side: int = 40) -> AccuracyCase:
    """A case that depends on the seed alone; small sizes are as frequent as large ones.

    Half of them are calls of SelectiveScan2D, the others of any form.
    """
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
    if draw.random() < 0.5:
        dims = draw.choice(every_form(dims))
    return AccuracyCase(f"random {seed}", dims)
