"""The VM-UNet network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vmamba_deploy.errors import UsageError
from vmamba_deploy.models.network import Network, pixel_labels
from vmamba_deploy.models.vmamba.config import PATCH_PIXELS, STAGES, VMambaConfig
from vmamba_deploy.models.vmamba.layers.block import VSSBlock
from vmamba_deploy.models.vmamba.layers.casting import Conv2d, LayerNorm, Linear, cast, convolve
from vmamba_deploy.models.vmamba.layers.stem import build_stem
from vmamba_deploy.models.vmamba.network import Stage
from vmamba_deploy.models.vmunet.config import SIZE_MULTIPLE, VMUNetConfig
from vmamba_deploy.tasks import SEGMENTATION
from vmamba_deploy.tasks.segmentation import HEAD_LOGITS, LABELS


class PatchExpand(nn.Module):
    """Each pixel becomes a square of so many a side: linear, spread, normalised."""

    def __init__(self, channels: int, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.expand = Linear(channels, factor * channels, bias=False)
        self.norm = LayerNorm(channels // factor)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, H, W, C] to [B, fH, fW, C/f] with f the factor."""
        batch, height, width, channels = x.shape
        side, left = self.factor, channels // self.factor
        x = self.expand(x).reshape(batch, height, width, side, side, left)
        x = x.permute(0, 1, 3, 2, 4, 5).reshape(batch, side * height, side * width, left)
        return self.norm(x)


class UpStage(nn.Module):
    """A row of blocks; before it, but for the first one, the step to a map twice as large."""

    def __init__(self, config: VMambaConfig, stage: int) -> None:
        super().__init__()
        self.upsample = PatchExpand(config.dims[stage - 1], 2) if stage else nn.Identity()
        self.blocks = nn.Sequential(*(VSSBlock(config, stage) for _ in range(config.depths[stage])))

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, H, W, C] to [B, 2H, 2W, C/2]; the first stage leaves the size."""
        spread = cast(self.upsample(x), torch.float32)
        y: Tensor = self.blocks(spread)
        return y


class VMUNet(Network):
    """VM-UNet for inference.

    State-dict names are those of the public checkpoints behind their prefix, with VMamba's names
    within a block. Inside, every map is [B, H, W, C], and the residual stream is float32 in every
    precision.
    """

    config: VMUNetConfig
    tasks = (SEGMENTATION.name,)
    optional_outputs = (HEAD_LOGITS.name,)
    size_multiple = SIZE_MULTIPLE

    def __init__(self, config: VMUNetConfig) -> None:
        super().__init__()
        self.config, self.in_chans = config, config.in_chans
        encoder, decoder = config.encoder, config.decoder
        self.patch_embed = build_stem(encoder.stem, encoder.in_chans, encoder.dims[0])
        self.layers = nn.ModuleList(Stage(encoder, stage) for stage in range(STAGES))
        self.layers_up = nn.ModuleList(UpStage(decoder, stage) for stage in range(STAGES))
        self.final_up = PatchExpand(decoder.dims[-1], PATCH_PIXELS)
        self.final_conv = Conv2d(decoder.dims[-1] // PATCH_PIXELS, config.num_classes, 1)

    def forward(self, pixel_values: Tensor) -> dict[str, Tensor]:
        """Find the class of every pixel.

        Args:
            pixel_values: [B, I, H, W], normalised; I is 3, or 1, whose channel is taken three
                times. H and W are multiples of 32.

        Returns:
            `labels` [B, H, W] int32, where the logits are largest; of a single one, 1 where it is
            above 0. `logits` [B, num_classes, H, W] float32, before any sigmoid.

        Raises:
            UsageError: H or W is no multiple of 32.
        """
        height, width = pixel_values.shape[-2:]
        if height % SIZE_MULTIPLE or width % SIZE_MULTIPLE:
            raise UsageError(
                f"The network takes sides that are multiples of {SIZE_MULTIPLE}, not "
                f"{height}x{width}: its maps would not fit onto those that they are added to."
            )
        if pixel_values.shape[1] == 1:
            pixel_values = pixel_values.expand(-1, self.config.encoder.in_chans, -1, -1)
        x = self.decoded(*self.encoded(pixel_values))
        logits = convolve(self.final_conv, self.final_up(x).permute(0, 3, 1, 2))
        return {LABELS.name: pixel_labels(logits), HEAD_LOGITS.name: logits}

    def encoded(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The way down, from images [B, 3, H, W].

        Returns:
            The last map [B, H/32, W/32, 8C], and what entered each of the stages after the first,
            [B, H/8, W/8, 2C] to [B, H/32, W/32, 8C].
        """
        x, entered = self.patch_embed(image), []
        for stage in self.layers:
            assert isinstance(stage, Stage)
            x = cast(x, torch.float32)
            entered.append(x)
            x = stage.downsample(stage.blocks(x))
        return x, entered[1:]

    def decoded(self, x: Tensor, skips: list[Tensor]) -> Tensor:
        """The way up, [B, H/4, W/4, C]: each stage but the first adds a skip before it expands."""
        first, *others = self.layers_up
        x = first(x)
        for stage, skip in zip(others, reversed(skips), strict=True):
            x = stage(x + skip)
        return x
