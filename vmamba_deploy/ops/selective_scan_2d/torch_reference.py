"""The op in plain PyTorch: readable, differentiable, on any device; one loop step per pixel."""

from __future__ import annotations

import torch
from torch import Tensor

from vmamba_deploy.ops.selective_scan_2d.specification import ROUTES, ScanDims, infer_dims
from vmamba_deploy.ops.torch_registration import TORCH_DTYPES


def cross_scan(maps: Tensor) -> Tensor:
    """Lay per-route maps [B, 4, H, W, F] out along their routes: [B, 4, H*W, F].

    Route 0 is row-major, 1 column-major, 2 and 3 their reverses (arXiv 2401.10166, section 4.2).
    """
    rows = maps[:, 0].flatten(1, 2)
    columns = maps[:, 1].transpose(1, 2).flatten(1, 2)
    rows_back = maps[:, 2].flatten(1, 2).flip(1)
    columns_back = maps[:, 3].transpose(1, 2).flatten(1, 2).flip(1)
    return torch.stack([rows, columns, rows_back, columns_back], dim=1)


def cross_merge(routes: Tensor, height: int, width: int) -> Tensor:
    """Undo `cross_scan` and sum the routes: [B, 4, H*W, D] to [B, H, W, D]."""
    rows = routes[:, 0] + routes[:, 2].flip(1)
    columns = routes[:, 1] + routes[:, 3].flip(1)
    batch, _, channels = rows.shape
    transposed = columns.reshape(batch, width, height, channels)
    return rows.reshape(batch, height, width, channels) + transposed.transpose(1, 2)


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

    Arithmetic is float32 whatever the dtype of x, and float64 when x is float64, so that gradients
    can be checked numerically. Autocast is switched off inside.

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
    dims = infer_dims(x.shape, proj.shape, dt_weight.shape, dt_bias.shape, a.shape, d.shape)
    if out_dtype not in TORCH_DTYPES:
        raise ValueError(f"out_dtype is {out_dtype}, expected one of {sorted(TORCH_DTYPES)}")
    double = x.dtype == torch.float64
    compute = torch.float64 if double else torch.float32
    with torch.autocast(device_type=x.device.type, enabled=False):
        parameters = (dt_weight.to(compute), dt_bias.to(compute), a.to(compute), d.to(compute))
        y = _scan_and_merge(dims, x.to(compute), proj.to(compute), parameters)
    return y if double else y.to(TORCH_DTYPES[out_dtype])


def _scan_and_merge(
    dims: ScanDims, x: Tensor, proj: Tensor, parameters: tuple[Tensor, Tensor, Tensor, Tensor]
) -> Tensor:
    dt_weight, dt_bias, a, d = parameters
    features = dims.rank + 2 * dims.state
    per_route = proj.reshape(*x.shape[:3], ROUTES, features).movedim(-2, 1)
    u = cross_scan(x.unsqueeze(1).expand(-1, ROUTES, -1, -1, -1))  # [B,4,L,D]
    low_rank, b, c = torch.tensor_split(
        cross_scan(per_route), (dims.rank, dims.rank + dims.state), dim=-1
    )

    delta = _softplus(low_rank @ dt_weight + dt_bias[:, None])  # [B,4,L,D]
    decay = torch.exp(delta.unsqueeze(3) * a[:, None])  # [B,4,L,N,D]
    driven = b.unsqueeze(-1) * (delta * u).unsqueeze(3)  # [B,4,L,N,D]

    h = x.new_zeros(dims.batch, ROUTES, dims.state, dims.channels)
    outputs = []
    for decay_t, driven_t, c_t in zip(decay.unbind(2), driven.unbind(2), c.unbind(2), strict=True):
        h = decay_t * h + driven_t
        outputs.append((c_t.unsqueeze(-1) * h).sum(dim=2))
    y = torch.stack(outputs, dim=2) + d[:, None] * u
    return cross_merge(y, dims.height, dims.width)


def _softplus(v: Tensor) -> Tensor:
    # torch's own is the identity beyond a threshold; this one is exact to rounding everywhere.
    return torch.logaddexp(v, torch.zeros_like(v))
