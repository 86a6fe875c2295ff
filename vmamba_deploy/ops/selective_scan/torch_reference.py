"""The op in plain PyTorch: readable, differentiable, on any device; one loop step per pixel."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vmamba_deploy.ops.selective_scan.specification import ScanDims, infer_dims
from vmamba_deploy.ops.torch_registration import TORCH_DTYPES


def cross_scan(maps: Tensor, routes: Sequence[int]) -> Tensor:
    """Lay per-route maps [B, K, H, W, F] out along their routes: [B, K, H*W, F].

    Direction 0 is row-major, 1 column-major, 2 and 3 their reverses (arXiv 2401.10166, section
    4.2).
    """
    laid = []
    for route, direction in enumerate(routes):
        one = maps[:, route] if direction % 2 == 0 else maps[:, route].transpose(1, 2)
        steps = one.flatten(1, 2)
        laid.append(steps if direction < 2 else steps.flip(1))
    return torch.stack(laid, dim=1)


def cross_merge(steps: Tensor, height: int, width: int, routes: Sequence[int]) -> Tensor:
    """Undo `cross_scan` and sum the routes: [B, K, H*W, D] to [B, H, W, D]."""
    batch, _, _, channels = steps.shape
    maps = []
    for route, direction in enumerate(routes):
        forward = steps[:, route] if direction < 2 else steps[:, route].flip(1)
        if direction % 2 == 0:
            maps.append(forward.reshape(batch, height, width, channels))
        else:
            maps.append(forward.reshape(batch, width, height, channels).transpose(1, 2))
    return torch.stack(maps).sum(dim=0)


def selective_scan_reference(
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

    Arithmetic is float32 whatever the dtype of x, and float64 when x is float64, so that gradients
    can be checked numerically. Autocast is switched off inside.

    Args:
        x: [B, H, W, D] activated map for all routes, or [K, B, H, W, D], one for each.
        proj: [B, H, W, K*F], route by route, or [K, B, H, W, F]; of each route dt (R), B (N), C
            (N), F = R + 2N. With R = 1, dt may also be a step for each channel: F = D + 2N.
        dt_weight: [K, R, D].
        dt_bias: [K, D].
        a: [K, N, D], negative.
        d: [K, D].
        routes: the direction of each of K: 1 to 4 numbers from 0 to 3.
        out_dtype: ONNX code of the result (1, 10 or 16); a float64 call returns float64.

    Returns:
        [B, H, W, D].

    Raises:
        ValueError: an input whose shape does not fit the others, or an unknown `out_dtype`.
    """
    shapes = (tensor.shape for tensor in (x, proj, dt_weight, dt_bias, a, d))
    dims = infer_dims(*shapes, routes=routes)
    if out_dtype not in TORCH_DTYPES:
        raise ValueError(f"out_dtype is {out_dtype}, expected one of {sorted(TORCH_DTYPES)}")
    double = x.dtype == torch.float64
    compute = torch.float64 if double else torch.float32
    with torch.autocast(device_type=x.device.type, enabled=False):
        parameters = (dt_weight.to(compute), dt_bias.to(compute), a.to(compute), d.to(compute))
        y = _scan_and_merge(dims, x.to(compute), proj.to(compute), parameters)
    return y if double else y.to(TORCH_DTYPES[out_dtype])


# Of the states of all steps: so many stay in a cache, and long routes do not fill the memory.
_VALUES_AT_A_TIME = 1 << 17


def _scan_and_merge(
    dims: ScanDims, x: Tensor, proj: Tensor, parameters: tuple[Tensor, Tensor, Tensor, Tensor]
) -> Tensor:
    dt_weight, dt_bias, a, d = parameters
    maps, features = _by_route(dims, x, proj)
    u = cross_scan(maps, dims.routes)  # [B,K,L,D]
    dt, b, c = torch.tensor_split(
        cross_scan(features, dims.routes),
        (dims.dt_features, dims.dt_features + dims.state),
        dim=-1,
    )

    step = dt * dt_weight if dims.step_per_channel else dt @ dt_weight
    delta = _softplus(step + dt_bias[:, None])  # [B,K,L,D]
    y = _scan(delta, delta * u, b, c, a) + d[:, None] * u
    return cross_merge(y, dims.height, dims.width, dims.routes)


def _scan(delta: Tensor, delta_u: Tensor, b: Tensor, c: Tensor, a: Tensor) -> Tensor:
    """The sum over the states, [B,K,L,D], of steps [B,K,L,D], B and C [B,K,L,N], a [K,N,D]."""
    h = delta.new_zeros(*delta.shape[:2], *a.shape[1:])
    steps = max(1, _VALUES_AT_A_TIME // max(1, h.numel()))
    by_step = (delta.unsqueeze(3), delta_u.unsqueeze(3), b.unsqueeze(4), c.unsqueeze(3))
    outputs = []
    for parts in zip(*(torch.split(values, steps, dim=2) for values in by_step), strict=True):
        delta_l, delta_u_l, b_l, c_l = parts
        decay = torch.exp(delta_l * a[:, None])  # [B,K,l,N,D]
        states = []
        for decay_t, driven_t in zip(decay.unbind(2), (b_l * delta_u_l).unbind(2), strict=True):
            h = torch.addcmul(driven_t, decay_t, h)
            states.append(h)
        outputs.append((c_l @ torch.stack(states, dim=2)).squeeze(3))
    return torch.cat(outputs, dim=2)


def _by_route(dims: ScanDims, x: Tensor, proj: Tensor) -> tuple[Tensor, Tensor]:
    """Each route's x [B,K,H,W,D] and features [B,K,H,W,F]."""
    if dims.x_per_route:
        return x.movedim(0, 1), proj.movedim(0, 1)
    count = len(dims.routes)
    features = proj.reshape(*dims.maps, count, dims.route_features)
    return x.unsqueeze(1).expand(-1, count, -1, -1, -1), features.movedim(-2, 1)


def _softplus(v: Tensor) -> Tensor:
    # torch's own is the identity beyond a threshold; this one is exact to rounding everywhere.
    return torch.logaddexp(v, torch.zeros_like(v))
