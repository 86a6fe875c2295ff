"""A call of `selective_scan_fn` as compositions of `vmamba::SelectiveScan` and cheap neighbours.

A sequence is a map of one row, visited by route 0. The step is given for each channel, as
`docs/selective_scan.md` allows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from vmamba_deploy.adapting.scan_call import ScanCall
from vmamba_deploy.errors import UsageError
from vmamba_deploy.models.vmamba.layers.casting import cast
from vmamba_deploy.models.vmamba.layers.ss2d import ScanBackend
from vmamba_deploy.ops.op import FLOAT32

Parameters = tuple[Tensor, Tensor, Tensor, Tensor]
"""dt_weight, dt_bias, a and d of a scan."""
FORWARD = (0,)
"""The routes of a sequence."""

# softplus(v) is v to the last bit of float32 from 17 on: a step that is taken as it is comes to the
# op times this power of two, A over it, and y is divided by it. All three are exact. A step below
# 17 / 2^40 is taken for one of at most that.
_STEP_SCALE = 2.0**40


def scan_by_op(call: ScanCall) -> Tensor:
    """y [B, D, L] in the dtype of u; a node for each group of B and C.

    Raises:
        UsageError: as `ScanCall.check`; a negative step where there is no softplus, which the op
            cannot take; float64.
    """
    call.check()
    if call.u.dtype == torch.float64:
        raise UsageError(
            "the selective scan of an adapted network is computed in float32; its input is float64",
            hint="bring the network to float32: model.float()",
        )
    if call.constant:
        y = _states_as_channels(call)
    else:
        parts = [_one_group(part) for part in call.groups()]
        y = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
    if call.z is not None:
        y = y * F.silu(cast(call.z, torch.float32))
    return cast(y, call.u.dtype)


def _one_group(call: ScanCall) -> Tensor:
    """y [B, D, L] float32 of a call without a gate, whose B and C are [B, N, L]."""
    if not call.softplus:
        return _steps_as_they_are(call)
    sequences = (call.u, call.delta, call.b, call.c)
    dtype = call.u.dtype
    for each in sequences[1:]:
        dtype = torch.promote_types(dtype, each.dtype)
    u, delta, b, c = (cast(each, dtype).transpose(1, 2) for each in sequences)
    channels = call.u.shape[1]
    ones, zeros = call.a.new_ones(channels), call.a.new_zeros(channels)
    bias = zeros if call.delta_bias is None else call.delta_bias
    skip = zeros if call.d is None else call.d
    parameters = (ones[None, None], bias[None], call.a.transpose(0, 1)[None], skip[None])
    return scan_sequence(u, torch.cat([delta, b, c], dim=-1), parameters).transpose(1, 2)


def scan_sequence(u: Tensor, proj: Tensor, parameters: Parameters) -> Tensor:
    """One route over sequences.

    Args:
        u: [B, L, D].
        proj: [B, L, F]: step, B and C; its dtype is that of u.
        parameters: dt_weight [1,R,D], dt_bias [1,D], a [1,N,D], d [1,D].

    Returns:
        [B, L, D] float32.
    """
    return scan_map("native", u.unsqueeze(1), proj.unsqueeze(1), parameters, FORWARD).squeeze(1)


def scan_map(
    backend: ScanBackend, x: Tensor, proj: Tensor, parameters: Parameters, routes: Sequence[int]
) -> Tensor:
    """`vmamba::SelectiveScan` with a float32 result; the parameters are brought to float32.

    Args:
        backend: `native` is the registered operator, a single node in an exported graph;
            `reference` is plain PyTorch, slow and differentiable.
        x: [B,H,W,D], or [K,B,H,W,D] for the K routes.
        proj: [B,H,W,K F] or [K,B,H,W,F], of the dtype of x.
        parameters: dt_weight [K,R,D], dt_bias [K,D], a [K,N,D], d [K,D].
        routes: see docs/selective_scan.md.

    Returns:
        [B,H,W,D] float32.
    """
    dt_weight, dt_bias, a, d = (cast(each, torch.float32).contiguous() for each in parameters)
    call = (x.contiguous(), proj.contiguous(), dt_weight, dt_bias, a, d, list(routes), FLOAT32)
    if backend == "reference":
        from vmamba_deploy.ops.selective_scan.torch_reference import selective_scan_reference

        return selective_scan_reference(*call)
    from vmamba_deploy.ops.selective_scan.torch_op import selective_scan

    return selective_scan(*call)


def _steps_as_they_are(call: ScanCall) -> Tensor:
    _refuse_negative_steps(call)
    bias = call.delta_bias
    scaled = replace(
        call,
        delta=cast(call.delta, torch.float32) * _STEP_SCALE,
        a=cast(call.a, torch.float32) / _STEP_SCALE,
        delta_bias=None if bias is None else cast(bias, torch.float32) * _STEP_SCALE,
        d=None,
        softplus=True,
    )
    y = _one_group(scaled) * (1 / _STEP_SCALE)
    return y if call.d is None else y + cast(call.d, torch.float32)[:, None] * call.u


def _refuse_negative_steps(call: ScanCall) -> None:
    """A graph that is traced has no values to look at; parity compares its results."""
    if torch.compiler.is_compiling() or torch.compiler.is_exporting():
        return
    steps = call.delta if call.delta_bias is None else call.delta + call.delta_bias[:, None]
    if bool((steps < 0).any()):
        raise UsageError(
            "a selective scan has negative steps: delta below 0 with delta_softplus=False",
            hint="take the step through a softplus, or let the scan do it: delta_softplus=True",
        )


def _states_as_channels(call: ScanCall) -> Tensor:
    """B or C of each channel, constant along the sequence: the op shares them among its channels.

    Each state becomes a channel with one state, driven by B u instead of u; C weighs the results.
    """
    batch, channels, length = call.u.shape
    states = call.a.shape[1]
    driven = cast(call.u, torch.float32)[:, :, None] * _of_channels(call.b, channels)
    bias = None if call.delta_bias is None else call.delta_bias.repeat_interleave(states)
    ones = driven.new_ones(1, 1, 1).expand(batch, 1, length)
    h = _one_group(
        ScanCall(
            u=driven.reshape(batch, channels * states, length),
            delta=cast(call.delta, torch.float32).repeat_interleave(states, dim=1),
            a=call.a.reshape(channels * states, 1),
            b=ones,
            c=ones,
            delta_bias=bias,
            softplus=call.softplus,
        )
    )
    h = h.reshape(batch, channels, states, length)
    y = (h * _of_channels(call.c, channels)).sum(2)
    return y if call.d is None else y + cast(call.d, torch.float32)[:, None] * call.u


def _of_channels(tensor: Tensor, channels: int) -> Tensor:
    """B or C in float32, to be multiplied with [B, D, N, L]."""
    tensor = cast(tensor, torch.float32)
    if tensor.dim() == 2:
        return tensor[None, :, :, None]
    if tensor.dim() == 3:
        return tensor[:, None]
    return tensor.repeat_interleave(channels // tensor.shape[1], dim=1)
