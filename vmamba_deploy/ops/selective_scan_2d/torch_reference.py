"""The op in plain PyTorch: that of `vmamba::SelectiveScan` along all four routes."""

from __future__ import annotations

from torch import Tensor

from vmamba_deploy.ops.selective_scan.specification import ALL_ROUTES
from vmamba_deploy.ops.selective_scan.torch_reference import selective_scan_reference
from vmamba_deploy.ops.selective_scan_2d.specification import infer_dims


def selective_scan_2d_reference(
    x: Tensor,
    proj: Tensor,
    dt_weight: Tensor,
    dt_bias: Tensor,
    a: Tensor,
    d: Tensor,
    out_dtype: int,
) -> Tensor:
    """Cross-scan, dt projection, selective scan, skip and cross-merge (docs/selective_scan_2d.md).

    It is `selective_scan_reference` along all four routes: arithmetic is float32 whatever the dtype
    of x, and float64 when x is float64, so that gradients can be checked numerically. Autocast is
    switched off inside.

    Args:
        x: [B, H, W, D] activated feature map.
        proj: [B, H, W, 4*(R+2N)], per route k: dt (R), B (N), C (N).
        dt_weight: [4, R, D].
        dt_bias: [4, D].
        a: [4, N, D], negative.
        d: [4, D].
        out_dtype: ONNX code of the result (1, 10 or 16); a float64 call returns float64.

    Returns:
        [B, H, W, D].

    Raises:
        ValueError: an input whose shape does not fit the others, or an unknown `out_dtype`.
    """
    infer_dims(x.shape, proj.shape, dt_weight.shape, dt_bias.shape, a.shape, d.shape)
    return selective_scan_reference(x, proj, dt_weight, dt_bias, a, d, ALL_ROUTES, out_dtype)
