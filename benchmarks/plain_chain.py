"""The same work as the op in plain PyTorch, the form in which the public code splits it.

Cross-scan, dt_proj as grouped matrix products, selective scan, cross-merge. The scan is cut into
about sqrt(L) chunks that advance together, so that it costs 2 sqrt(L) small kernels instead of L:
the best that plain tensor operations give without writing maps N times over and over. It is no
match for a scan kernel, so it shows what PyTorch alone costs and not what the public CUDA code
costs; the published times of that one stand beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from vmamba_deploy.ops.selective_scan.specification import ALL_ROUTES
from vmamba_deploy.ops.selective_scan.torch_reference import cross_merge, cross_scan


def scan_routes(
    x: Tensor,
    proj: Tensor,
    dt_weight: Tensor,
    dt_bias: Tensor,
    a: Tensor,
    d: Tensor,
    routes: Sequence[int] = ALL_ROUTES,
) -> Tensor:
    """The op itself, in every form of SelectiveScan; the result is float32 or float64.

    Args:
        x: [B, H, W, D], or [K, B, H, W, D].
        proj: [B, H, W, K, F], or [K, B, H, W, F].
        dt_weight, dt_bias, a, d: as of the op.
        routes: the direction of each.
    """
    compute = torch.float64 if x.dtype == torch.float64 else torch.float32
    height, width = x.shape[-3:-1]
    state, rank = a.shape[1], dt_weight.shape[1]
    own_x = x.ndim == 5
    features = cross_scan(proj.movedim(0 if own_x else 3, 1), routes)  # [B,K,L,F]
    maps = x.movedim(0, 1) if own_x else x.unsqueeze(1).expand(-1, len(routes), -1, -1, -1)
    u = cross_scan(maps, routes).to(compute)  # [B,K,L,D]
    dt, b, c = torch.split(features, (features.shape[-1] - 2 * state, state, state), dim=-1)
    weight = dt_weight.to(x.dtype)
    scaled = dt @ weight if dt.shape[-1] == rank else dt * weight
    step = scaled.to(compute) + dt_bias.to(compute)[:, None]
    delta = torch.logaddexp(step, torch.zeros((), dtype=compute, device=x.device))
    driven = delta * u
    y = d.to(compute)[:, None] * u
    for n in range(state):
        decay = torch.exp(delta * a[:, None, n].to(compute))
        h = chunked_scan(decay, driven * b[..., n : n + 1])
        y += h * c[..., n : n + 1]
    return cross_merge(y, height, width, routes)


def chunked_scan(decay: Tensor, driven: Tensor) -> Tensor:
    """h_t = decay_t h_{t-1} + driven_t along the last axis but one, from h = 0; [..., L, D]."""
    length = decay.shape[-2]
    steps = math.isqrt(max(length - 1, 0)) + 1
    chunks = -(-length // steps)
    padding = (0, 0, 0, chunks * steps - length)
    decays = _by_step(torch.nn.functional.pad(decay, padding), steps)
    states = _by_step(torch.nn.functional.pad(driven, padding), steps)
    for before, after in zip(range(steps - 1), range(1, steps), strict=True):
        states[after].addcmul_(decays[after], states[before])
        decays[after].mul_(decays[before])
    # Now states holds each chunk from zero, and decays what is left of the state before it.
    ends, carried = states[-1].unbind(-2), decays[-1].unbind(-2)
    entering = [torch.zeros_like(ends[0])]
    for end, kept in zip(ends[:-1], carried[:-1], strict=True):
        entering.append(torch.addcmul(end, kept, entering[-1]))
    states.addcmul_(decays, torch.stack(entering, dim=-2))
    return states.movedim(0, -2).flatten(-3, -2)[..., :length, :]


def _by_step(values: Tensor, steps: int) -> Tensor:
    """[..., chunks * steps, D] to a new [steps, ..., chunks, D]: a step of all chunks is whole."""
    return (
        values.unflatten(-2, (-1, steps))
        .movedim(-2, 0)
        .clone(memory_format=torch.contiguous_format)
    )
