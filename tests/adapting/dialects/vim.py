"""Vision Mamba's block (bimamba v2): two directions with weights of their own, fused RMSNorms.

Both forms that are found: the mixer pasted by the author, and the class of the forked package.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mamba_ssm.modules.mamba_simple import Mamba as PackagedMamba
from mamba_ssm.ops.selective_scan_interface import mamba_inner_fn_no_out_proj
from mamba_ssm.ops.triton.layernorm import RMSNorm, rms_norm_fn
from torch import nn

WIDTH, PATCH, CLASSES = 12, 8, 5


class BiMamba(nn.Module):
    def __init__(self, d_model, d_state=4, d_conv=4, if_devide_out=True):
        super().__init__()
        inner, rank = 2 * d_model, -(-d_model // 16)
        self.if_devide_out = if_devide_out
        self.in_proj = nn.Linear(d_model, 2 * inner, bias=False)
        for end in ("", "_b"):
            self.add_module(
                f"conv1d{end}", nn.Conv1d(inner, inner, d_conv, groups=inner, padding=d_conv - 1)
            )
            self.add_module(f"x_proj{end}", nn.Linear(inner, rank + 2 * d_state, bias=False))
            self.add_module(f"dt_proj{end}", nn.Linear(rank, inner, bias=True))
            self.register_parameter(
                "A_b_log" if end else "A_log", nn.Parameter(torch.empty(inner, d_state))
            )
            self.register_parameter(f"D{end}", nn.Parameter(torch.empty(inner)))
        self.out_proj = nn.Linear(inner, d_model, bias=False)

    def forward(self, hidden_states, inference_params=None):
        xz = self.in_proj(hidden_states).transpose(1, 2)
        out = mamba_inner_fn_no_out_proj(
            xz,
            self.conv1d.weight,
            self.conv1d.bias,
            self.x_proj.weight,
            self.dt_proj.weight,
            -torch.exp(self.A_log.float()),
            None,
            None,
            self.D.float(),
            delta_bias=self.dt_proj.bias.float(),
            delta_softplus=True,
        )
        out_b = mamba_inner_fn_no_out_proj(
            xz.flip([-1]),
            self.conv1d_b.weight,
            self.conv1d_b.bias,
            self.x_proj_b.weight,
            self.dt_proj_b.weight,
            -torch.exp(self.A_b_log.float()),
            None,
            None,
            self.D_b.float(),
            delta_bias=self.dt_proj_b.bias.float(),
            delta_softplus=True,
        )
        both = (out + out_b.flip([-1])).transpose(1, 2)
        return F.linear(both / 2 if self.if_devide_out else both, self.out_proj.weight)


class Block(nn.Module):
    def __init__(self, dim, mixer):
        super().__init__()
        self.norm, self.mixer = RMSNorm(dim, eps=1e-5), mixer

    def forward(self, hidden_states, residual=None):
        hidden_states, residual = rms_norm_fn(
            hidden_states,
            self.norm.weight,
            self.norm.bias,
            residual=residual,
            prenorm=True,
            residual_in_fp32=True,
            eps=self.norm.eps,
        )
        return self.mixer(hidden_states), residual


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch_embed = nn.Conv2d(3, WIDTH, PATCH, stride=PATCH)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        packaged = PackagedMamba(WIDTH, d_state=4, bimamba_type="v2", if_devide_out=True)
        mixers = [BiMamba(WIDTH), packaged, BiMamba(WIDTH, if_devide_out=False)]
        self.layers = nn.ModuleList(Block(WIDTH, mixer) for mixer in mixers)
        self.norm_f = RMSNorm(WIDTH, eps=1e-5)
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, image):
        tokens = self.patch_embed(image).flatten(2).transpose(1, 2)
        middle = tokens.shape[1] // 2
        class_token = self.cls_token.expand(tokens.shape[0], -1, -1)
        tokens = torch.cat([tokens[:, :middle], class_token, tokens[:, middle:]], dim=1)
        residual = None
        for layer in self.layers:
            tokens, residual = layer(tokens, residual)
        tokens = rms_norm_fn(
            tokens, self.norm_f.weight, None, residual=residual, eps=self.norm_f.eps
        )
        return self.head(tokens[:, middle])


def build():
    return Network()


def example():
    return torch.randn(2, 3, 32, 40)
