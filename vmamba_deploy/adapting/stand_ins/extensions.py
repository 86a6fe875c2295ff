"""The compiled modules `selective_scan_cuda*`: what they are called for, without a compiler.

Public code calls their `fwd` inside an autograd function of its own. Each variant has its order of
arguments; all give `[y, x, ...]`, where x holds what the backward pass needs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from vmamba_deploy.adapting.mode import Mode, mode
from vmamba_deploy.adapting.op_scan import scan_by_op
from vmamba_deploy.adapting.plain_scan import scan_plainly
from vmamba_deploy.adapting.scan_call import ScanCall, refuse_packed


def forward_of_mamba(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    delta_softplus: bool,
    cu_seqlens: Tensor | None = None,
) -> list[Tensor]:
    """`selective_scan_cuda.fwd` of mamba_ssm: [y without the gate, x], and y with it.

    Raises:
        UsageError: as `scan_plainly` and `scan_by_op`; packed sequences.
    """
    refuse_packed("cu_seqlens", cu_seqlens)
    call = ScanCall(u, delta, A, B, C, D, None, delta_bias, delta_softplus)
    y, x = _run(call)
    if z is None:
        return [y, x]
    gated = y * torch.nn.functional.silu(z.to(torch.promote_types(y.dtype, torch.float32)))
    return [y, x, gated.to(y.dtype)]


def forward_of_vmamba(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    delta_bias: Tensor | None,
    delta_softplus: bool,
    *tuning: Any,
) -> list[Tensor]:
    """`fwd` of VMamba's selective_scan_cuda_core, _nrow, _oflex and _ndstate: [y, x].

    Args:
        u: as in `ScanCall`, like the others.
        delta: see there.
        A: [D, N]; without the axis of states, with those of B and C, in `_ndstate`.
        B: see there.
        C: see there.
        D: see there.
        delta_bias: see there.
        delta_softplus: see there.
        tuning: rows of a block; then, in `_oflex`, whether y is float32 whatever u is.
    """
    call = ScanCall(u, delta, A, B, C, D, None, delta_bias, delta_softplus)
    if A.dim() == 1:
        call = replace(call, a=A[:, None], b=B.unsqueeze(-2), c=C.unsqueeze(-2))
    y, x = _run(call)
    float32_out = len(tuning) > 1 and bool(tuning[1])
    return [y.float() if float32_out else y, x]


def _run(call: ScanCall) -> tuple[Tensor, Tensor]:
    """y, and x [B, D, 1, 2 N], of which public code reads the last state at odd places.

    Our operator does not give that state: there x is NaN, so that nobody computes with it.
    """
    shape = (*call.u.shape[:2], 1, 2 * call.a.shape[-1])
    if mode() is Mode.OP:
        return scan_by_op(call), call.u.new_full(shape, float("nan"))
    y, last_state = scan_plainly(call)
    x = last_state.new_zeros(shape)
    x[:, :, 0, 1::2] = last_state
    return y, x
