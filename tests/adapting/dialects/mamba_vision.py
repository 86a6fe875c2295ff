"""MambaVision: the scan of each window by one route, the gate beside it instead of multiplied.

Two convolutions that see both sides, and the step's bias enters twice: in dt_proj and in the scan.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mamba_ssm.ops.selective_scan_interface import selective_scan_fn
from torch import nn

WIDTH, WINDOW, CLASSES = 12, 4, 5


class MambaVisionMixer(nn.Module):
    def __init__(self, d_model, d_state=8, d_conv=3):
        super().__init__()
        half, rank = d_model // 2, -(-d_model // 16)
        self.d_inner, self.d_state, self.dt_rank = d_model, d_state, rank
        self.in_proj = nn.Linear(d_model, d_model, bias=False)
        self.x_proj = nn.Linear(half, rank + 2 * d_state, bias=False)
        self.dt_proj = nn.Linear(rank, half, bias=True)
        self.A_log = nn.Parameter(torch.empty(half, d_state))
        self.D = nn.Parameter(torch.empty(half))
        self.out_proj = nn.Linear(d_model, d_model, bias=False)
        self.conv1d_x = nn.Conv1d(half, half, d_conv, groups=half, bias=False)
        self.conv1d_z = nn.Conv1d(half, half, d_conv, groups=half, bias=False)

    def _convolved(self, sequence, layer):
        half = self.d_inner // 2
        return F.silu(F.conv1d(sequence, layer.weight, layer.bias, padding="same", groups=half))

    def forward(self, hidden_states):
        x, z = self.in_proj(hidden_states).transpose(1, 2).chunk(2, dim=1)
        x, z = self._convolved(x, self.conv1d_x), self._convolved(z, self.conv1d_z)
        projected = self.x_proj(x.transpose(1, 2))
        low_rank, b, c = projected.split([self.dt_rank, self.d_state, self.d_state], dim=-1)
        y = selective_scan_fn(
            x,
            self.dt_proj(low_rank).transpose(1, 2),
            -torch.exp(self.A_log.float()),
            b.transpose(1, 2).contiguous(),
            c.transpose(1, 2).contiguous(),
            self.D.float(),
            z=None,
            delta_bias=self.dt_proj.bias.float(),
            delta_softplus=True,
            return_last_state=None,
        )
        return self.out_proj(torch.cat([y, z], dim=1).transpose(1, 2))


class Block(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm1, self.mixer = nn.LayerNorm(dim), MambaVisionMixer(dim)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))

    def forward(self, x):
        x = x + self.mixer(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch_embed = nn.Conv2d(3, WIDTH, 4, stride=4)
        self.blocks = nn.ModuleList(Block(WIDTH) for _ in range(2))
        self.norm = nn.BatchNorm2d(WIDTH)
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, image):
        x = self.patch_embed(image)
        batch, channels, height, width = x.shape
        split = (batch, channels, height // WINDOW, WINDOW, width // WINDOW, WINDOW)
        windows = x.view(split).permute(0, 2, 4, 3, 5, 1).reshape(-1, WINDOW**2, channels)
        for block in self.blocks:
            windows = block(windows)
        x = windows.reshape(split[0], split[2], split[4], WINDOW, WINDOW, channels)
        x = x.permute(0, 5, 1, 3, 2, 4).reshape(batch, channels, height, width)
        return self.head(self.norm(x).mean(dim=(2, 3)))


def build():
    return Network()


def example():
    return torch.randn(2, 3, 32, 48)
