"""The residual block of VMamba."""

from __future__ import annotations

from torch import Tensor, nn

from vmamba_deploy.models.config import VMambaConfig
from vmamba_deploy.models.layers.casting import LayerNorm
from vmamba_deploy.models.layers.mlp import Mlp
from vmamba_deploy.models.layers.ss2d import SS2D, SS2DSizes


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
