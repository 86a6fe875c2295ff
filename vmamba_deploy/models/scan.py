"""The one place where a network meets an implementation of the selective scan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from vmamba_deploy.ops.contract import FLOAT32

if TYPE_CHECKING:
    from torch import Tensor

ScanBackend = Literal["native", "reference"]


def selective_scan_fp32(
    backend: ScanBackend,
    x: Tensor,
    proj: Tensor,
    parameters: tuple[Tensor, Tensor, Tensor, Tensor],
) -> Tensor:
    """Run `vmamba::SelectiveScan2D` with a float32 result.

    Args:
        backend: `native` is the registered operator, a single node in an exported graph;
            `reference` is plain PyTorch, slow and differentiable.
        x: [B, H, W, D] float32, float16 or bfloat16.
        proj: [B, H, W, 4*(R+2N)], dtype of x.
        parameters: dt_weight [4,R,D], dt_bias [4,D], a [4,N,D], d [4,D], all float32.

    Returns:
        [B, H, W, D] float32.
    """
    if backend == "reference":
        from vmamba_deploy.ops.torch_reference import selective_scan_2d_reference

        return selective_scan_2d_reference(x, proj, *parameters, FLOAT32)
    from vmamba_deploy.ops.torch_op import selective_scan_2d

    return selective_scan_2d(x, proj, *parameters, FLOAT32)
