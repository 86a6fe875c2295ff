"""Mamba's mixer in float64 and NumPy, from its parameters by their public names."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor, nn

from tests.adapting.scan_float64 import sigmoid


def float64_parameters(module: nn.Module) -> dict[str, Any]:
    return {name: value.detach().double().numpy() for name, value in module.state_dict().items()}


def direction(x: Any, p: dict[str, Any], end: str) -> Any:
    """One direction over [L, D], before the gate."""
    weight, width = p[f"conv1d{end}.weight"][:, 0], p[f"conv1d{end}.weight"].shape[-1]
    padded = np.concatenate([np.zeros((width - 1, x.shape[1])), x])
    u = np.stack([(padded[i : i + width] * weight.T).sum(0) for i in range(len(x))])
    u = u + p[f"conv1d{end}.bias"]
    u = u * sigmoid(u)
    a = -np.exp(p[f"A{end}_log"])
    rank, states = p[f"dt_proj{end}.weight"].shape[1], a.shape[1]
    h, out = np.zeros(a.shape), []
    for token in u:
        low_rank, b, c = np.split(p[f"x_proj{end}.weight"] @ token, [rank, rank + states])
        v = p[f"dt_proj{end}.weight"] @ low_rank + p[f"dt_proj{end}.bias"]
        delta = np.log1p(np.exp(v))
        h = np.exp(delta[:, None] * a) * h + (delta * token)[:, None] * b
        out.append(h @ c + p[f"D{end}"] * token)
    return np.stack(out)


def mamba_float64(tokens: Tensor, p: dict[str, Any], divisor: int = 1, slices: int = 1) -> Any:
    """[B, L, C] of one direction, or of two or three where the parameters of those are there."""
    results = []
    for sequence in tokens.double().numpy():
        x, z = np.split(sequence @ p["in_proj.weight"].T, 2, axis=-1)
        y = direction(x, p, "")
        if "A_b_log" in p:
            y = y + direction(x[::-1], p, "_b")[::-1]
        if "A_s_log" in p:  # the first step of each slice, then the second of each, ...
            order = np.arange(len(x)).reshape(slices, -1).T.ravel()
            across = np.empty_like(x)
            across[order] = direction(x[order], p, "_s")
            y = y + across
        y = y / divisor * z * sigmoid(z)
        y = y @ p["out_proj.weight"].T + p.get("out_proj.bias", 0.0)
        results.append(y * p.get("gamma", 1.0))
    return np.stack(results)
