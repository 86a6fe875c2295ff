"""The selective scan in plain PyTorch: differentiable, on any device, one loop step per step.

It is what an adapted network is compared with, so it shares nothing with our operator.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vmamba_deploy.adapting.scan_call import ScanCall


def scan_plainly(call: ScanCall) -> tuple[Tensor, Tensor]:
    """Arithmetic in float32, or float64 where u is float64.

    Returns:
        y [B, D, L] in the dtype of u, and the last state [B, D, N].

    Raises:
        UsageError: as `ScanCall.check`.
    """
    call.check()
    compute = torch.float64 if call.u.dtype == torch.float64 else torch.float32
    u, delta, a = (each.to(compute) for each in (call.u, call.delta, call.a))
    if call.delta_bias is not None:
        delta = delta + call.delta_bias.to(compute)[:, None]
    if call.softplus:
        delta = F.softplus(delta)
    channels, length = u.shape[1:]
    b, c = (_steps(each.to(compute), channels, length) for each in (call.b, call.c))
    h = u.new_zeros(*u.shape[:2], a.shape[1])
    outputs = []
    # Nothing of [B, D, L, N] is made: at the size of a picture it would not fit in memory.
    for step, driven, b_t, c_t in zip(delta.unbind(-1), (delta * u).unbind(-1), b, c, strict=True):
        h = torch.exp(step[..., None] * a) * h + driven[..., None] * b_t
        outputs.append((h * c_t).sum(-1))
    y = torch.stack(outputs, dim=-1)
    if call.d is not None:
        y = y + call.d.to(compute)[:, None] * u
    if call.z is not None:
        y = y * F.silu(call.z.to(compute))
    return y.to(call.u.dtype), h


def _steps(tensor: Tensor, channels: int, length: int) -> list[Tensor]:
    """B or C of each step, to be multiplied with [B, D, N]."""
    if tensor.dim() == 2:
        return [tensor] * length
    if tensor.dim() == 3:
        return [each[:, None] for each in tensor.unbind(-1)]
    repeated = tensor.repeat_interleave(channels // tensor.shape[1], dim=1)
    return list(repeated.unbind(-1))
