"""The residual block of VMamba."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from vmamba_deploy.models.vmamba.config import VMambaConfig
from vmamba_deploy.models.vmamba.layers.casting import LayerNorm, Linear
from vmamba_deploy.models.vmamba.layers.ss2d import SS2D, SS2DSizes


class Mlp(nn.Module):
    """Two linear layers with GELU (erf) between them."""

    def __init__(self, channels: int, hidden_channels: int) -> None:
        super().__init__()
        self.fc1 = Linear(channels, hidden_channels)
        self.fc2 = Linear(hidden_channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., C] to [..., C]."""
        return self.fc2(F.gelu(self.fc1(x)))


class VSSBlock(nn.Module):
    """x + SS2D(norm(x)), then, where the network has MLPs, x + MLP(norm2(x))."""

    def __init__(self, config: VMambaConfig, stage: int) -> None:
        super().__init__()
        channels = config.dims[stage]
        self.norm = LayerNorm(channels)
        self.op = SS2D(
            SS2DSizes(
                channels=channels,
                inner_channels=config.inner_channels(stage),
                state=config.d_state,
                rank=config.rank(stage),
                gated=config.gated,
                conv_bias=config.conv_bias,
                conv_side=config.conv_side,
            )
        )
        self.has_mlp = config.mlp_channels(stage) > 0
        if self.has_mlp:
            self.norm2 = LayerNorm(channels)
            self.mlp = Mlp(channels, config.mlp_channels(stage))

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, H, W, C] to [B, H, W, C]; the sums keep the wider dtype of their two terms."""
        x = x + self.op(self.norm(x))
        if self.has_mlp:
            x = x + self.mlp(self.norm2(x))
        return x
