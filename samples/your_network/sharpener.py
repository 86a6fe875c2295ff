"""Somebody's network: a file that imports CUDA packages, several inputs, named outputs.

It sharpens an image to double its size, tells a class of the whole and one of each pixel. Nothing
of it is known to vmamba_deploy: its mixer walks the rows forward and backward through
`selective_scan_fn`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mamba_ssm.ops.selective_scan_interface import selective_scan_fn
from torch import Tensor, nn

STATE = 4


class TwoWayMixer(nn.Module):
    """Rows, forward and backward, with weights of their own for each way."""

    def __init__(self, channels: int, rank: int = 2) -> None:
        super().__init__()
        self.rank = rank
        self.in_proj = nn.Linear(channels, 2 * channels, bias=False)
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.x_proj = nn.ModuleList(
            nn.Linear(channels, rank + 2 * STATE, bias=False) for _ in range(2)
        )
        self.dt_proj = nn.ModuleList(nn.Linear(rank, channels) for _ in range(2))
        self.A_log = nn.Parameter(torch.rand(2, channels, STATE))
        self.D = nn.Parameter(torch.ones(2, channels))
        self.out_norm = nn.LayerNorm(channels)
        self.out_proj = nn.Linear(channels, channels, bias=False)

    def scan(self, u: Tensor, way: int) -> Tensor:
        """One way along [B, D, L]."""
        features = self.x_proj[way](u.transpose(1, 2))
        dt, b, c = features.split([self.rank, STATE, STATE], dim=-1)
        return selective_scan_fn(
            u,
            F.linear(dt, self.dt_proj[way].weight).transpose(1, 2),
            -torch.exp(self.A_log[way].float()),
            b.transpose(1, 2).contiguous(),
            c.transpose(1, 2).contiguous(),
            self.D[way].float(),
            delta_bias=self.dt_proj[way].bias.float(),
            delta_softplus=True,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Mix a map [B, H, W, C]."""
        batch, height, width, channels = x.shape
        u, gate = self.in_proj(x).chunk(2, dim=-1)
        u = F.silu(self.conv(u.permute(0, 3, 1, 2))).flatten(2)
        y = self.scan(u, 0) + self.scan(u.flip(-1), 1).flip(-1)
        y = self.out_norm(y.transpose(1, 2).reshape(batch, height, width, channels))
        return self.out_proj(y * F.silu(gate))


class Sharpener(nn.Module):
    """See the module's text."""

    def __init__(self, channels: int = 16, depth: int = 2, classes: int = 7) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, channels, 4, stride=4), nn.BatchNorm2d(channels))
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(depth))
        self.mixers = nn.ModuleList(TwoWayMixer(channels) for _ in range(depth))
        self.sharp = nn.Conv2d(channels, 3 * 64, 1)
        self.head = nn.Linear(channels, classes)
        self.register_buffer("order", torch.arange(classes))

    def forward(self, image: Tensor, gain: Tensor) -> dict[str, Tensor]:
        """Map image [B, 3, H, W] and gain [B, C] to `sharp`, `logits` and `labels`."""
        x = self.stem(image).permute(0, 2, 3, 1)
        for norm, mixer in zip(self.norms, self.mixers, strict=True):
            x = x + mixer(norm(x))
        x = x * gain[:, None, None, :]
        sharp = F.pixel_shuffle(self.sharp(x.permute(0, 3, 1, 2)), 8)
        logits = self.head(x.mean(dim=(1, 2)))[:, self.order]
        return {"sharp": sharp, "logits": logits, "labels": sharp.argmax(dim=1)}


def build() -> nn.Module:
    """The network; weights are filled by whoever calls."""
    return Sharpener()
