"""Mamba-YOLO's block: SS2D with GELU, 1 x 1 convolutions for projections, and a low-rank inner map.

`selective_scan_cuda_core` is the compiled module; the scan is a function of the file.
"""

from __future__ import annotations

import contextlib
from functools import partial

import torch
from torch import nn

with contextlib.suppress(ImportError):
    import selective_scan_cuda_core

WIDTH = 8


class SelectiveScanCore(torch.autograd.Function):
    @staticmethod
    def forward(ctx, u, delta, A, B, C, D=None, delta_bias=None, delta_softplus=False):
        out, x, *_ = selective_scan_cuda_core.fwd(
            u.contiguous(), delta.contiguous(), A, B, C, D, delta_bias, delta_softplus, 1
        )
        ctx.save_for_backward(u, delta, A, B, C, D, delta_bias, x)
        return out


def cross_selective_scan(x, x_proj_weight, dt_weight, dt_bias, A_logs, Ds, out_norm, scan):
    batch, _, height, width = x.shape
    routes, _, rank = dt_weight.shape
    length, states = height * width, A_logs.shape[1]
    pair = torch.stack([x.flatten(2), x.transpose(2, 3).flatten(2)], dim=1)
    xs = torch.cat([pair, pair.flip(-1)], dim=1)
    projected = torch.einsum("bkdl,kcd->bkcl", xs, x_proj_weight)
    low_rank, b, c = torch.split(projected, [rank, states, states], dim=2)
    steps = torch.einsum("bkrl,kdr->bkdl", low_rank, dt_weight)
    y = scan.apply(
        xs.view(batch, -1, length),
        steps.contiguous().view(batch, -1, length),
        -torch.exp(A_logs.float()),
        b.contiguous(),
        c.contiguous(),
        Ds.float(),
        dt_bias.view(-1).float(),
        True,
    ).view(batch, routes, -1, length)
    y = y[:, :2] + y[:, 2:].flip(-1)
    columns = y[:, 1].view(batch, -1, width, height).transpose(2, 3).flatten(2)
    merged = (y[:, 0] + columns).transpose(1, 2)
    return out_norm(merged).view(batch, height, width, -1)


class SS2D(nn.Module):
    def __init__(self, d_model, d_state=4, ssm_ratio=2.0, ssm_rank_ratio=2.0):
        super().__init__()
        expanded = int(ssm_ratio * d_model)
        inner = int(min(ssm_rank_ratio, ssm_ratio) * d_model)
        rank = -(-d_model // 16)
        self.out_norm = nn.LayerNorm(inner)
        self.forward_core = partial(self.forward_corev2, SelectiveScan=SelectiveScanCore)
        self.in_proj = nn.Conv2d(d_model, 2 * expanded, 1, bias=False)
        self.act = nn.GELU()
        self.conv2d = nn.Conv2d(expanded, expanded, 3, padding=1, groups=expanded)
        self.ssm_low_rank = inner < expanded
        if self.ssm_low_rank:
            self.in_rank = nn.Conv2d(expanded, inner, 1, bias=False)
            self.out_rank = nn.Linear(inner, expanded, bias=False)
        self.x_proj_weight = nn.Parameter(torch.empty(4, rank + 2 * d_state, inner))
        self.out_proj = nn.Conv2d(expanded, d_model, 1, bias=False)
        self.dropout = nn.Identity()
        self.Ds = nn.Parameter(torch.empty(4 * inner))
        self.A_logs = nn.Parameter(torch.empty(4 * inner, d_state))
        self.dt_projs_weight = nn.Parameter(torch.empty(4, inner, rank))
        self.dt_projs_bias = nn.Parameter(torch.empty(4, inner))

    def forward_corev2(self, x, SelectiveScan):
        x = self.in_rank(x) if self.ssm_low_rank else x
        y = cross_selective_scan(
            x,
            self.x_proj_weight,
            self.dt_projs_weight,
            self.dt_projs_bias,
            self.A_logs,
            self.Ds,
            self.out_norm,
            SelectiveScan,
        )
        return self.out_rank(y) if self.ssm_low_rank else y

    def forward(self, x, **kwargs):
        x, z = self.in_proj(x).chunk(2, dim=1)
        y = self.forward_core(self.act(self.conv2d(x)))
        y = y.permute(0, 3, 1, 2).contiguous() * self.act(z)
        return self.dropout(self.out_proj(y))


class LayerNorm2d(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.norm = nn.LayerNorm(channels, 1e-6)

    def forward(self, x):
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).contiguous()


class XSSBlock(nn.Module):
    def __init__(self, hidden_dim, rank_ratio):
        super().__init__()
        self.local = nn.Conv2d(hidden_dim, hidden_dim, 3, padding=1, groups=hidden_dim)
        self.norm = LayerNorm2d(hidden_dim)
        self.ss2d = nn.Sequential(SS2D(hidden_dim, ssm_rank_ratio=rank_ratio))

    def forward(self, x):
        return x + self.ss2d(self.norm(self.local(x)))


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, WIDTH, 3, stride=2, padding=1), nn.SiLU())
        self.blocks = nn.Sequential(XSSBlock(WIDTH, 2.0), XSSBlock(WIDTH, 1.0))

    def forward(self, image):
        return self.blocks(self.stem(image))


def build():
    return Network()


def example():
    return torch.randn(2, 3, 20, 24)
