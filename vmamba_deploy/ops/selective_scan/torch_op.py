"""`torch.ops.vmamba.selective_scan`. Importing this module registers it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vmamba_deploy.ops.selective_scan.specification import SELECTIVE_SCAN
from vmamba_deploy.ops.selective_scan.torch_reference import selective_scan_reference
from vmamba_deploy.ops.torch_registration import register, unsupported_is_no_bug


def selective_scan(
    x: Tensor,
    proj: Tensor,
    dt_weight: Tensor,
    dt_bias: Tensor,
    a: Tensor,
    d: Tensor,
    routes: Sequence[int],
    out_dtype: int,
) -> Tensor:
    """Scan, dt projection, skip and merge along the routes (docs/selective_scan.md).

    Args:
        x: [B, H, W, D] for all routes, or [K, B, H, W, D], one for each; float32, float16 or
            bfloat16, CPU or CUDA.
        proj: [B, H, W, K*F], route by route, or [K, B, H, W, F]; dtype of x. F is R + 2N, or with
            R = 1 D + 2N: a step for each channel.
        dt_weight: [K, R, D] float32.
        dt_bias: [K, D] float32.
        a: [K, N, D] float32, negative.
        d: [K, D] float32.
        routes: the direction of each of K: 1 to 4 numbers from 0 to 3.
        out_dtype: ONNX code of the result: 1 (float32) or the code of x's dtype (10, 16).

    Returns:
        [B, H, W, D], contiguous, of `out_dtype`.

    Raises:
        ValueError: an input of a wrong shape, dtype or device, or other routes; the message names
            it.
        EnvironmentProblem: the native library can neither be found nor built, or this machine
            cannot run the call.
    """
    with unsupported_is_no_bug():
        result: Tensor = torch.ops.vmamba.selective_scan(
            x, proj, dt_weight, dt_bias, a, d, routes, out_dtype
        )
    return result


register(SELECTIVE_SCAN, selective_scan_reference)
