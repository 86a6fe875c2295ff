"""VMamba's later blocks: forward chosen by name, autograd functions around a compiled scan.

Channels first, no gate, one state; the second stage is channels last, with a gate that is not
activated. `selective_scan_cuda_oflex` is the compiled module.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

try:
    import selective_scan_cuda_oflex
except ImportError:
    selective_scan_cuda_oflex = None

WIDTH, CLASSES = 8, 5


class SelectiveScanOflex(torch.autograd.Function):
    @staticmethod
    @partial(torch.amp.custom_fwd, device_type="cuda")
    def forward(ctx, u, delta, A, B, C, D=None, delta_bias=None, delta_softplus=False, oflex=True):
        ctx.delta_softplus = delta_softplus
        out, x, *_ = selective_scan_cuda_oflex.fwd(
            u, delta, A, B, C, D, delta_bias, delta_softplus, 1, oflex
        )
        ctx.save_for_backward(u, delta, A, B, C, D, delta_bias, x)
        return out


class CrossScan(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        batch, channels, height, width = x.shape
        routes = x.new_empty(batch, 4, channels, height * width)
        routes[:, 0] = x.flatten(2)
        routes[:, 1] = x.transpose(2, 3).flatten(2)
        routes[:, 2:] = routes[:, :2].flip(-1)
        return routes


class CrossMerge(torch.autograd.Function):
    @staticmethod
    def forward(ctx, y):
        batch, _, channels, height, width = y.shape
        y = y.flatten(3)
        y = y[:, :2] + y[:, 2:].flip(-1)
        columns = y[:, 1].reshape(batch, channels, width, height).transpose(2, 3).flatten(2)
        return y[:, 0] + columns


class Linear2d(nn.Linear):
    def forward(self, x):
        return F.conv2d(x, self.weight[:, :, None, None], self.bias)


class LayerNorm2d(nn.LayerNorm):
    def forward(self, x):
        x = x.permute(0, 2, 3, 1)
        return super().forward(x).permute(0, 3, 1, 2)


class SS2D(nn.Module):
    def __init__(self, d_model, d_state=1, ratio=2.0, forward_type="v05_noz", channel_first=True):
        super().__init__()
        inner, rank = int(ratio * d_model), -(-d_model // 16)
        self.channel_first = channel_first
        self.disable_z = "noz" in forward_type and "nozact" not in forward_type
        self.disable_z_act = "nozact" in forward_type
        self.forward = self.forwardv2
        self.forward_core = partial(
            self.forward_corev2, force_fp32=False, SelectiveScan=SelectiveScanOflex
        )
        linear = Linear2d if channel_first else nn.Linear
        self.in_proj = linear(d_model, inner if self.disable_z else 2 * inner, bias=False)
        self.act = nn.SiLU()
        self.conv2d = nn.Conv2d(inner, inner, 3, padding=1, groups=inner, bias=False)
        self.x_proj_weight = nn.Parameter(torch.empty(4, rank + 2 * d_state, inner))
        self.out_norm = LayerNorm2d(inner) if channel_first else nn.LayerNorm(inner)
        self.out_proj = linear(inner, d_model, bias=False)
        self.dropout = nn.Identity()
        self.Ds = nn.Parameter(torch.empty(4 * inner))
        self.A_logs = nn.Parameter(torch.empty(4 * inner, d_state))
        self.dt_projs_weight = nn.Parameter(torch.empty(4, inner, rank))
        self.dt_projs_bias = nn.Parameter(torch.empty(4, inner))

    def forward_corev2(self, x, force_fp32, SelectiveScan):
        batch, _, height, width = x.shape
        routes, inner, rank = self.dt_projs_weight.shape
        length, states = height * width, self.A_logs.shape[1]
        xs = CrossScan.apply(x)
        projected = F.conv1d(
            xs.view(batch, -1, length),
            self.x_proj_weight.view(-1, inner, 1),
            groups=routes,
        ).view(batch, routes, -1, length)
        low_rank, b, c = torch.split(projected, [rank, states, states], dim=2)
        steps = F.conv1d(
            low_rank.contiguous().view(batch, -1, length),
            self.dt_projs_weight.view(routes * inner, rank, 1),
            groups=routes,
        )
        y = SelectiveScan.apply(
            xs.view(batch, -1, length),
            steps.contiguous(),
            -torch.exp(self.A_logs.float()),
            b.contiguous().view(batch, routes, states, length),
            c.contiguous().view(batch, routes, states, length),
            self.Ds.float(),
            self.dt_projs_bias.view(-1).float(),
            True,
            True,
        )
        y = CrossMerge.apply(y.view(batch, routes, -1, height, width))
        if self.channel_first:
            return self.out_norm(y.view(batch, -1, height, width)).to(x.dtype)
        y = self.out_norm(y.transpose(1, 2).contiguous())
        return y.view(batch, height, width, -1).to(x.dtype)

    def forwardv2(self, x, **kwargs):
        x = self.in_proj(x)
        if not self.disable_z:
            x, z = x.chunk(2, dim=1 if self.channel_first else -1)
            z = z if self.disable_z_act else self.act(z)
        if not self.channel_first:
            x = x.permute(0, 3, 1, 2).contiguous()
        y = self.forward_core(self.act(self.conv2d(x)))
        if not self.disable_z:
            y = y * z
        return self.dropout(self.out_proj(y))


class VSSBlock(nn.Module):
    def __init__(self, hidden_dim, channel_first, forward_type):
        super().__init__()
        self.norm = (LayerNorm2d if channel_first else nn.LayerNorm)(hidden_dim)
        self.op = SS2D(hidden_dim, forward_type=forward_type, channel_first=channel_first)

    def forward(self, x):
        return x + self.op(self.norm(x))


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch_embed = nn.Conv2d(3, WIDTH, 4, stride=4)
        first = [VSSBlock(WIDTH, True, "v05_noz") for _ in range(2)]
        self.first = nn.Sequential(*first)
        self.second = VSSBlock(WIDTH, False, "v05_nozact")
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, image):
        x = self.first(self.patch_embed(image)).permute(0, 2, 3, 1)
        return self.head(self.second(x).mean(dim=(1, 2)))


def build():
    return Network()


def example():
    return torch.randn(2, 3, 28, 36)
