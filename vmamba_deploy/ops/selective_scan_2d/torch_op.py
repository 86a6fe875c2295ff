"""`torch.ops.vmamba.selective_scan_2d`. Importing this module registers it."""

from __future__ import annotations

import torch
from torch import Tensor

from vmamba_deploy.ops.selective_scan_2d.specification import SELECTIVE_SCAN_2D
from vmamba_deploy.ops.selective_scan_2d.torch_reference import selective_scan_2d_reference
from vmamba_deploy.ops.torch_registration import register, unsupported_is_no_bug


def selective_scan_2d(
    x: Tensor,
    proj: Tensor,
    dt_weight: Tensor,
    dt_bias: Tensor,
    a: Tensor,
    d: Tensor,
    out_dtype: int,
) -> Tensor:
    """Cross-scan, dt projection, selective scan, skip and cross-merge (docs/selective_scan_2d.md).

    Args:
        x: [B, H, W, D] float32, float16 or bfloat16, CPU or CUDA.
        proj: [B, H, W, 4*(R+2N)], dtype of x.
        dt_weight: [4, R, D] float32.
        dt_bias: [4, D] float32.
        a: [4, N, D] float32, negative.
        d: [4, D] float32.
        out_dtype: ONNX code of the result: 1 (float32) or the code of x's dtype (10, 16).

    Returns:
        [B, H, W, D], contiguous, of `out_dtype`.

    Raises:
        ValueError: an input of a wrong shape, dtype or device; the message names it.
        EnvironmentProblem: the native library can neither be found nor built, or this machine
            cannot run the call.
    """
    with unsupported_is_no_bug():
        result: Tensor = torch.ops.vmamba.selective_scan_2d(
            x, proj, dt_weight, dt_bias, a, d, out_dtype
        )
    return result


register(SELECTIVE_SCAN_2D, selective_scan_2d_reference)
