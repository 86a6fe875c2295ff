"""mamba_ssm's `Mamba`, as repositories paste it: a fast path, a slow one, and the class itself."""

from __future__ import annotations

import torch
from mamba_ssm.modules.mamba_simple import Mamba as PackagedMamba
from mamba_ssm.ops.selective_scan_interface import mamba_inner_fn, selective_scan_fn
from torch import nn

try:
    from causal_conv1d import causal_conv1d_fn, causal_conv1d_update
except ImportError:
    causal_conv1d_fn = causal_conv1d_update = None

WIDTH = 16


class Mamba(nn.Module):
    def __init__(self, d_model, d_state=4, d_conv=4, expand=2, use_fast_path=True):
        super().__init__()
        inner, rank = expand * d_model, -(-d_model // 16)
        self.d_state, self.dt_rank, self.use_fast_path = d_state, rank, use_fast_path
        self.activation = "silu"
        self.in_proj = nn.Linear(d_model, 2 * inner, bias=False)
        self.conv1d = nn.Conv1d(inner, inner, d_conv, groups=inner, padding=d_conv - 1)
        self.x_proj = nn.Linear(inner, rank + 2 * d_state, bias=False)
        self.dt_proj = nn.Linear(rank, inner, bias=True)
        self.A_log = nn.Parameter(torch.empty(inner, d_state))
        self.D = nn.Parameter(torch.empty(inner))
        self.out_proj = nn.Linear(inner, d_model, bias=False)

    def forward(self, hidden_states, inference_params=None):
        batch, length, _ = hidden_states.shape
        flat = hidden_states.permute(2, 0, 1).reshape(-1, batch * length)
        xz = (self.in_proj.weight @ flat).view(-1, batch, length).transpose(0, 1)
        a = -torch.exp(self.A_log.float())
        if self.use_fast_path and causal_conv1d_fn is not None and inference_params is None:
            return mamba_inner_fn(
                xz,
                self.conv1d.weight,
                self.conv1d.bias,
                self.x_proj.weight,
                self.dt_proj.weight,
                self.out_proj.weight,
                self.out_proj.bias,
                a,
                None,
                None,
                self.D.float(),
                delta_bias=self.dt_proj.bias.float(),
                delta_softplus=True,
            )
        x, z = xz.chunk(2, dim=1)
        x = causal_conv1d_fn(
            x=x,
            weight=self.conv1d.weight.squeeze(1),
            bias=self.conv1d.bias,
            activation=self.activation,
        )
        projected = self.x_proj(x.transpose(1, 2))
        low_rank, b, c = projected.split([self.dt_rank, self.d_state, self.d_state], dim=-1)
        y = selective_scan_fn(
            x,
            (low_rank @ self.dt_proj.weight.t()).transpose(1, 2),
            a,
            b.transpose(1, 2).contiguous(),
            c.transpose(1, 2).contiguous(),
            self.D.float(),
            z=z,
            delta_bias=self.dt_proj.bias.float(),
            delta_softplus=True,
            return_last_state=False,
        )
        return self.out_proj(y.transpose(1, 2))


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.fast = Mamba(WIDTH)
        self.slow = Mamba(WIDTH, use_fast_path=False)
        self.packaged = PackagedMamba(WIDTH, d_state=8)
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(3))

    def forward(self, tokens):
        for norm, mixer in zip(self.norms, (self.fast, self.slow, self.packaged), strict=True):
            tokens = tokens + mixer(norm(tokens))
        return tokens


def build():
    return Network()


def example():
    return torch.randn(2, 13, WIDTH)
