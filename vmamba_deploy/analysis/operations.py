"""Multiply-adds of a forward pass, and the rate at which this machine does them.

Products, convolutions and attention are counted by PyTorch's own counter, two FLOP for each; scans
as our kernel on the CPU does them, exponentials with the multiply-adds of their polynomials. Norms,
activations, softmax and what moves data count as nothing.
"""

from __future__ import annotations

import copy
import math
import time
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from vmamba_deploy.ops.selective_scan_2d.specification import ROUTES

# dt projection R; softplus 15, its product with x 1; per state: decay 8, recurrence and output 3.
SPECIAL_MULTIPLY_ADDS, MULTIPLY_ADDS_PER_STATE = 16, 11
_SIDE = 1024


def multiply_adds(network: nn.Module, shape: tuple[int, ...]) -> int:
    """Of one forward pass on pixel_values of a shape; sizes alone, nothing is computed."""
    import vmamba_deploy.ops.selective_scan.torch_op
    import vmamba_deploy.ops.selective_scan_2d.torch_op  # noqa: F401 - both register their op

    sizes_alone = copy.deepcopy(network).to("meta").eval()
    formulas = {
        torch.ops.vmamba.selective_scan_2d: _scan_2d_flop,
        torch.ops.vmamba.selective_scan: _scan_flop,
    }
    with torch.no_grad(), FlopCounterMode(display=False, custom_mapping=formulas) as counter:
        sizes_alone(torch.empty(shape, device="meta"))
    return int(counter.get_total_flops() // 2)


def scan_multiply_adds(steps: int, rank: int, states: int) -> int:
    """Of a scan of so many steps, over all routes and channels."""
    return steps * (rank + SPECIAL_MULTIPLY_ADDS + MULTIPLY_ADDS_PER_STATE * states)


def matrix_product_rate() -> float:
    """Multiply-adds per second of a 1024 x 1024 product in PyTorch: the best of 15."""
    left, right = torch.randn(_SIDE, _SIDE), torch.randn(_SIDE, _SIDE)
    seconds = []
    for _ in range(15):
        start = time.perf_counter()
        left @ right
        seconds.append(time.perf_counter() - start)
    return float(_SIDE**3 / min(seconds))


def _scan_2d_flop(*shapes: Any, **_: Any) -> int:
    return _scan_flop(*shapes[:6], range(ROUTES))


def _scan_flop(*given: Any, **_: Any) -> int:
    """Of x, proj, dt_weight [K, R, D], dt_bias, a [K, N, D], d, as shapes, and the routes."""
    x, dt_weight, a, routes = given[0], given[2], given[4], given[6]
    # Where each route has an x of its own, x has the steps of all.
    steps = math.prod(x) * (1 if len(x) == 5 else len(routes))
    return 2 * scan_multiply_adds(steps, dt_weight[1], a[1])
