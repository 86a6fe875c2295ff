"""VM-UNet, Mamba-UNet: VMamba's first block, pasted with a scan of mamba_ssm.

Channels last, gate, convolution with bias, sixteen states. A U of two stages, for segmentation.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

try:
    from mamba_ssm.ops.selective_scan_interface import selective_scan_fn
except ImportError:
    selective_scan_fn = None

STATES, WIDTH, CLASSES = 16, 8, 3


class SS2D(nn.Module):
    def __init__(self, d_model, d_state=STATES, expand=2):
        super().__init__()
        inner, rank = expand * d_model, -(-d_model // 16)
        self.d_state, self.dt_rank, self.d_inner = d_state, rank, inner
        self.in_proj = nn.Linear(d_model, 2 * inner, bias=False)
        self.conv2d = nn.Conv2d(inner, inner, 3, padding=1, groups=inner)
        self.act = nn.SiLU()
        self.x_proj_weight = nn.Parameter(torch.empty(4, rank + 2 * d_state, inner))
        self.dt_projs_weight = nn.Parameter(torch.empty(4, inner, rank))
        self.dt_projs_bias = nn.Parameter(torch.empty(4, inner))
        self.A_logs = nn.Parameter(torch.empty(4 * inner, d_state))
        self.Ds = nn.Parameter(torch.empty(4 * inner))
        self.forward_core = self.forward_corev0
        self.out_norm = nn.LayerNorm(inner)
        self.out_proj = nn.Linear(inner, d_model, bias=False)
        self.dropout = None

    def forward_corev0(self, x):
        self.selective_scan = selective_scan_fn
        batch, _, height, width = x.shape
        length = height * width
        by_rows = x.flatten(2)
        by_columns = x.transpose(2, 3).flatten(2)
        forward = torch.stack([by_rows, by_columns], dim=1)
        sequences = torch.cat([forward, forward.flip(-1)], dim=1)  # [B, 4, D, L]
        projected = torch.einsum("bkdl,kcd->bkcl", sequences, self.x_proj_weight)
        low_rank, b, c = projected.split([self.dt_rank, self.d_state, self.d_state], dim=2)
        delta = torch.einsum("bkrl,kdr->bkdl", low_rank, self.dt_projs_weight)
        y = self.selective_scan(
            sequences.float().reshape(batch, -1, length),
            delta.contiguous().float().view(batch, -1, length),
            -torch.exp(self.A_logs.float()).view(-1, self.d_state),
            b.float().contiguous(),
            c.float().contiguous(),
            self.Ds.float().view(-1),
            z=None,
            delta_bias=self.dt_projs_bias.float().view(-1),
            delta_softplus=True,
            return_last_state=False,
        ).view(batch, 4, -1, length)
        assert y.dtype == torch.float
        both = y[:, :2] + y[:, 2:].flip(-1)
        columns = both[:, 1].view(batch, -1, width, height).transpose(2, 3).flatten(2)
        return both[:, 0] + columns

    def forward(self, x, **kwargs):
        batch, height, width, _ = x.shape
        x, z = self.in_proj(x).chunk(2, dim=-1)
        x = self.act(self.conv2d(x.permute(0, 3, 1, 2).contiguous()))
        y = self.forward_core(x).transpose(1, 2).reshape(batch, height, width, -1)
        y = self.out_norm(y) * F.silu(z)
        out = self.out_proj(y)
        return out if self.dropout is None else self.dropout(out)


class VSSBlock(nn.Module):
    def __init__(self, hidden_dim):
        super().__init__()
        self.ln_1 = nn.LayerNorm(hidden_dim, eps=1e-6)
        self.self_attention = SS2D(hidden_dim)

    def forward(self, x):
        return x + self.self_attention(self.ln_1(x))


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch_embed = nn.Conv2d(3, WIDTH, 4, stride=4)
        self.down = VSSBlock(WIDTH)
        self.merge = nn.Conv2d(WIDTH, 2 * WIDTH, 2, stride=2)
        self.bottom = VSSBlock(2 * WIDTH)
        self.expand = nn.ConvTranspose2d(2 * WIDTH, WIDTH, 2, stride=2)
        self.up = VSSBlock(WIDTH)
        self.head = nn.ConvTranspose2d(WIDTH, CLASSES, 4, stride=4)

    def forward(self, image):
        x = self.down(self.patch_embed(image).permute(0, 2, 3, 1))
        below = self.bottom(self.merge(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))
        x = self.up(x + self.expand(below.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))
        return self.head(x.permute(0, 3, 1, 2))


def build():
    return Network()


def example():
    return torch.randn(2, 3, 32, 40)
