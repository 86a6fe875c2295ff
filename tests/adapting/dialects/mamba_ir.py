"""MambaIR: super-resolution. Tokens [B, L, C] with their sizes, blocks with two learned skips.

The residual is multiplied by `skip_scale` outside of the mixer; the output is an image.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mamba_ssm.ops.selective_scan_interface import selective_scan_fn
from torch import nn

WIDTH, FACTOR = 12, 2


class ChannelAttention(nn.Module):
    def __init__(self, features, squeeze):
        super().__init__()
        self.attention = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(features, features // squeeze, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(features // squeeze, features, 1),
            nn.Sigmoid(),
        )

    def forward(self, x):
        return x * self.attention(x)


class CAB(nn.Module):
    def __init__(self, features, compress=3, squeeze=4):
        super().__init__()
        self.cab = nn.Sequential(
            nn.Conv2d(features, features // compress, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(features // compress, features, 3, padding=1),
            ChannelAttention(features, squeeze),
        )

    def forward(self, x):
        return self.cab(x)


class SS2D(nn.Module):
    def __init__(self, d_model, d_state=8, expand=2.0, dropout=0.1):
        super().__init__()
        inner, rank = int(expand * d_model), -(-d_model // 16)
        self.d_state, self.dt_rank = d_state, rank
        self.in_proj = nn.Linear(d_model, 2 * inner, bias=False)
        self.conv2d = nn.Conv2d(inner, inner, 3, padding=1, groups=inner, bias=True)
        self.act = nn.SiLU()
        self.x_proj_weight = nn.Parameter(torch.empty(4, rank + 2 * d_state, inner))
        self.dt_projs_weight = nn.Parameter(torch.empty(4, inner, rank))
        self.dt_projs_bias = nn.Parameter(torch.empty(4, inner))
        self.A_logs = nn.Parameter(torch.empty(4 * inner, d_state))
        self.Ds = nn.Parameter(torch.empty(4 * inner))
        self.selective_scan = selective_scan_fn
        self.out_norm = nn.LayerNorm(inner)
        self.out_proj = nn.Linear(inner, d_model, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward_core(self, x):
        batch, _, height, width = x.shape
        length = height * width
        pair = torch.stack([x.flatten(2), x.transpose(2, 3).flatten(2)], dim=1)
        xs = torch.cat([pair, pair.flip(-1)], dim=1)
        projected = torch.einsum("bkdl,kcd->bkcl", xs, self.x_proj_weight)
        low_rank, b, c = projected.split([self.dt_rank, self.d_state, self.d_state], dim=2)
        steps = torch.einsum("bkrl,kdr->bkdl", low_rank, self.dt_projs_weight)
        y = self.selective_scan(
            xs.float().view(batch, -1, length),
            steps.contiguous().float().view(batch, -1, length),
            -torch.exp(self.A_logs.float()).view(-1, self.d_state),
            b.float(),
            c.float(),
            self.Ds.float().view(-1),
            delta_bias=self.dt_projs_bias.float().view(-1),
            delta_softplus=True,
        ).view(batch, 4, -1, length)
        rows, columns = y[:, 0] + y[:, 2].flip(-1), y[:, 1] + y[:, 3].flip(-1)
        return rows, columns.view(batch, -1, width, height).transpose(2, 3).flatten(2)

    def forward(self, x, **kwargs):
        batch, height, width, _ = x.shape
        x, z = self.in_proj(x).chunk(2, dim=-1)
        rows, columns = self.forward_core(self.act(self.conv2d(x.permute(0, 3, 1, 2))))
        y = (rows + columns).transpose(1, 2).reshape(batch, height, width, -1)
        return self.dropout(self.out_proj(self.out_norm(y) * F.silu(z)))


class VSSBlock(nn.Module):
    def __init__(self, hidden_dim):
        super().__init__()
        self.ln_1 = nn.LayerNorm(hidden_dim, eps=1e-6)
        self.self_attention = SS2D(hidden_dim)
        self.skip_scale = nn.Parameter(torch.ones(hidden_dim))
        self.conv_blk = CAB(hidden_dim)
        self.ln_2 = nn.LayerNorm(hidden_dim)
        self.skip_scale2 = nn.Parameter(torch.ones(hidden_dim))

    def forward(self, tokens, x_size):
        batch, _, channels = tokens.shape
        x = tokens.view(batch, *x_size, channels)
        x = x * self.skip_scale + self.self_attention(self.ln_1(x))
        local = self.conv_blk(self.ln_2(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return (x * self.skip_scale2 + local).reshape(batch, -1, channels)


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv_first = nn.Conv2d(3, WIDTH, 3, padding=1)
        self.layers = nn.ModuleList(VSSBlock(WIDTH) for _ in range(2))
        self.norm = nn.LayerNorm(WIDTH)
        self.conv_after_body = nn.Conv2d(WIDTH, WIDTH, 3, padding=1)
        self.upsample = nn.Sequential(
            nn.Conv2d(WIDTH, 3 * FACTOR**2, 3, padding=1), nn.PixelShuffle(FACTOR)
        )

    def forward(self, image):
        shallow = self.conv_first(image)
        size = shallow.shape[2:]
        tokens = shallow.flatten(2).transpose(1, 2)
        for layer in self.layers:
            tokens = layer(tokens, size)
        deep = self.norm(tokens).transpose(1, 2).reshape(shallow.shape)
        return self.upsample(shallow + self.conv_after_body(deep))


def build():
    return Network()


def example():
    return torch.rand(1, 3, 14, 18)
