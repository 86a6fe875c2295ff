"""The scan functions of `mamba_ssm.ops.selective_scan_interface` and of `selective_scan`."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from vmamba_deploy.adapting.mode import Mode, mode
from vmamba_deploy.adapting.op_scan import scan_by_op, scan_sequence
from vmamba_deploy.adapting.plain_scan import scan_plainly
from vmamba_deploy.adapting.scan_call import ScanCall, refuse_packed
from vmamba_deploy.adapting.stand_ins.causal_conv1d import causal_conv1d_fn
from vmamba_deploy.errors import UsageError
from vmamba_deploy.models.vmamba.layers.casting import cast


def run(call: ScanCall) -> Tensor:
    """y [B, D, L] of a call, by what stands behind scans at the moment."""
    return scan_by_op(call) if mode() is Mode.OP else scan_plainly(call)[0]


def selective_scan_fn(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    return_last_state: bool | None = False,
    cu_seqlens: Tensor | None = None,
) -> Any:
    """See `ScanCall` for the arguments.

    Returns:
        y [B, D, L]; with `return_last_state` also the last state [B, D, N], which an adapted
        network cannot give.

    Raises:
        UsageError: as `scan_plainly` and `scan_by_op`; packed sequences; the last state in an
            adapted network.
    """
    refuse_packed("cu_seqlens", cu_seqlens)
    call = ScanCall(u, delta, A, B, C, D, z, delta_bias, delta_softplus)
    if not return_last_state:
        return run(call)
    if mode() is Mode.OP:
        raise UsageError(
            "a selective scan is asked for its last state, which our operator does not give",
            hint="call the network without a cache, and the scan with return_last_state=False",
        )
    return scan_plainly(call)


class SelectiveScanFn:
    """Called as the autograd function of that name is."""

    apply = staticmethod(selective_scan_fn)


def selective_scan_fn_without_gate(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    nrows: int = 1,
    backnrows: int = -1,
) -> Tensor:
    """`selective_scan.selective_scan_fn` of VMamba's package: no gate; `nrows` tunes its kernel."""
    return run(ScanCall(u, delta, A, B, C, D, None, delta_bias, delta_softplus))


def mamba_inner_fn_no_out_proj(
    xz: Tensor,
    conv1d_weight: Tensor,
    conv1d_bias: Tensor | None,
    x_proj_weight: Tensor,
    delta_proj_weight: Tensor,
    A: Tensor,
    B: Tensor | None = None,
    C: Tensor | None = None,
    D: Tensor | None = None,
    delta_bias: Tensor | None = None,
    B_proj_bias: Tensor | None = None,
    C_proj_bias: Tensor | None = None,
    delta_softplus: bool = True,
    checkpoint_lvl: int = 1,
) -> Tensor:
    """A Mamba mixer between its two linear layers: convolution, projections, scan and gate.

    Args:
        xz: [B, 2 D, L]: what is scanned, then the gate.
        conv1d_weight: [D, 1, W].
        conv1d_bias: [D] or None.
        x_proj_weight: [R + 2 N, D]; without the rows of what B and C give.
        delta_proj_weight: [D, R].
        A: [D, N].
        B: None where `x_proj_weight` makes it, else as `ScanCall` takes it; `C` the same.
        C: as B.
        D: [D] or None.
        delta_bias: [D] or None.
        B_proj_bias: [N] or None, added to the B that is made; `C_proj_bias` the same.
        C_proj_bias: as B_proj_bias.
        delta_softplus: as in `ScanCall`.
        checkpoint_lvl: what training recomputes; without effect.

    Returns:
        y [B, D, L].
    """
    x, z = xz.chunk(2, dim=1)
    u = causal_conv1d_fn(x, conv1d_weight.squeeze(1), conv1d_bias, activation="silu")
    projected = F.linear(u.transpose(1, 2), x_proj_weight)
    rank, states = delta_proj_weight.shape[1], A.shape[-1]
    low_rank = projected[..., :rank]
    made_b, made_c = projected[..., rank : rank + states], projected[..., -states:]
    if B_proj_bias is not None:
        made_b = made_b + cast(B_proj_bias, made_b.dtype)
    if C_proj_bias is not None:
        made_c = made_c + cast(C_proj_bias, made_c.dtype)
    if B is None and C is None and delta_softplus and mode() is Mode.OP:
        # The op projects the step itself: fewer bytes than a step for each channel.
        features = torch.cat([low_rank, made_b, made_c], dim=-1)
        y = _scan_low_rank(u, features, delta_proj_weight, A, D, delta_bias)
        return cast(y * F.silu(cast(z, torch.float32)), xz.dtype)
    return run(
        ScanCall(
            u=u,
            delta=F.linear(low_rank, delta_proj_weight).transpose(1, 2),
            a=A,
            b=made_b.transpose(1, 2) if B is None else B,
            c=made_c.transpose(1, 2) if C is None else C,
            d=D,
            z=z,
            delta_bias=delta_bias,
            softplus=delta_softplus,
        )
    )


def _scan_low_rank(
    u: Tensor,
    features: Tensor,
    delta_proj_weight: Tensor,
    A: Tensor,
    D: Tensor | None,
    delta_bias: Tensor | None,
) -> Tensor:
    """y [B, D, L] float32 of u [B, D, L] and features [B, L, R + 2 N]: the step, B and C."""
    zeros = A.new_zeros(A.shape[0])
    bias, skip = (zeros if each is None else each for each in (delta_bias, D))
    parameters = (delta_proj_weight.transpose(0, 1)[None], bias[None], A.transpose(0, 1)[None])
    x = cast(u.transpose(1, 2), features.dtype)
    return scan_sequence(x, features, (*parameters, skip[None])).transpose(1, 2)


def mamba_inner_fn(
    xz: Tensor,
    conv1d_weight: Tensor,
    conv1d_bias: Tensor | None,
    x_proj_weight: Tensor,
    delta_proj_weight: Tensor,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    A: Tensor,
    B: Tensor | None = None,
    C: Tensor | None = None,
    D: Tensor | None = None,
    delta_bias: Tensor | None = None,
    B_proj_bias: Tensor | None = None,
    C_proj_bias: Tensor | None = None,
    delta_softplus: bool = True,
    **others: Any,
) -> Tensor:
    """As `mamba_inner_fn_no_out_proj`, and the linear layer after it: [B, L, C].

    Raises:
        UsageError: packed sequences.
    """
    for name in ("cu_seqlens", "seq_idx"):
        refuse_packed(name, others.get(name))
    y = mamba_inner_fn_no_out_proj(
        xz,
        conv1d_weight,
        conv1d_bias,
        x_proj_weight,
        delta_proj_weight,
        A,
        B,
        C,
        D,
        delta_bias,
        B_proj_bias,
        C_proj_bias,
        delta_softplus,
    )
    return F.linear(y.transpose(1, 2), out_proj_weight, out_proj_bias)


class MambaInnerFn:
    """Called as the autograd function of that name is."""

    apply = staticmethod(mamba_inner_fn)
