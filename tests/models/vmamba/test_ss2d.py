"""SS2D against an account of it that shares nothing with it: explicit routes, float64, NumPy.

The golden data alone would not do: their scans contribute so little that changing A by a tenth
moves no logit by 1e-6.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from vmamba_deploy.models.vmamba.layers.ss2d import SS2D, SS2DSizes


def sigmoid(v: Any) -> Any:
    return 1 / (1 + np.exp(-v))


def depthwise_conv(image: Any, weight: Any, bias: Any) -> Any:
    """[H, W, D] with weight [D, 1, side, side]."""
    height, width, _ = image.shape
    side, edge = weight.shape[-1], weight.shape[-1] // 2
    padded = np.pad(image, ((edge, edge), (edge, edge), (0, 0)))
    out = np.zeros_like(image) + bias
    for i in range(side):
        for j in range(side):
            out += padded[i : i + height, j : j + width] * weight[:, 0, i, j]
    return out


def scan_route(sequence: Any, p: dict[str, Any], route: int) -> Any:
    """One route over [L, D], with the checkpoint's own parameters."""
    inner, state = sequence.shape[1], p["A_logs"].shape[1]
    rank = p["dt_projs_weight"].shape[2]
    a = -np.exp(p["A_logs"][route * inner : (route + 1) * inner])
    skip = p["Ds"][route * inner : (route + 1) * inner]
    h, out = np.zeros((inner, state)), []
    for u in sequence:
        projected = p["x_proj_weight"][route] @ u
        low_rank, b, c = np.split(projected, [rank, rank + state])
        v = p["dt_projs_weight"][route] @ low_rank + p["dt_projs_bias"][route]
        delta = np.log1p(np.exp(v))
        h = np.exp(delta[:, None] * a) * h + (delta * u)[:, None] * b[None, :]
        out.append(h @ c + skip * u)
    return np.stack(out)


def ss2d_in_words(image: Any, p: dict[str, Any], gated: bool) -> Any:
    """SS2D of one map [H, W, C]."""
    height, width, _ = image.shape
    x = image @ p["in_proj.weight"].T
    if gated:
        x, gate = np.split(x, 2, axis=-1)
    if "conv2d.weight" in p:
        x = depthwise_conv(x, p["conv2d.weight"], p.get("conv2d.bias", 0.0))
    x = x * sigmoid(x)
    rows = x.reshape(height * width, -1)
    columns = x.transpose(1, 0, 2).reshape(height * width, -1)
    by_rows = scan_route(rows, p, 0) + scan_route(rows[::-1], p, 2)[::-1]
    by_columns = scan_route(columns, p, 1) + scan_route(columns[::-1], p, 3)[::-1]
    y = by_rows.reshape(x.shape) + by_columns.reshape(width, height, -1).transpose(1, 0, 2)
    y = (y - y.mean(-1, keepdims=True)) / np.sqrt(y.var(-1, keepdims=True) + 1e-5)
    y = y * p["out_norm.weight"] + p["out_norm.bias"]
    if gated:
        y = y * gate * sigmoid(gate)
    return y @ p["out_proj.weight"].T


@torch.no_grad()
@pytest.mark.parametrize(("height", "width"), [(3, 5), (6, 2), (1, 4)])
@pytest.mark.parametrize(
    ("gated", "state", "conv_side"), [(False, 1, 3), (True, 5, 3), (False, 1, 0), (True, 1, 5)]
)
def test_ss2d(gated: bool, state: int, conv_side: int, height: int, width: int) -> None:
    layer = SS2D(
        SS2DSizes(
            channels=6,
            inner_channels=10,
            state=state,
            rank=3,
            gated=gated,
            conv_bias=gated,
            conv_side=conv_side,
        )
    )
    for parameter in layer.parameters():
        parameter.normal_(0, 0.6)
    layer.scan_backend = "reference"
    images = torch.randn(2, height, width, 6)
    parameters = {name: p.double().numpy() for name, p in layer.named_parameters()}
    expected = [ss2d_in_words(image.double().numpy(), parameters, gated) for image in images]
    torch.testing.assert_close(
        layer(images).double(), torch.from_numpy(np.stack(expected)), atol=2e-5, rtol=2e-5
    )
