"""What a VMamba network is made of, as data. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

STAGES = 4
PATCH_PIXELS = 4
"""Side of the square of pixels that the stem makes one pixel of the first map."""
CHANNELS_PER_DT_RANK = 16
_ROUNDING = 1e-6


class StemKind(StrEnum):
    """How the image becomes the first feature map, a quarter of its height and width."""

    PATCH = "patch"
    """One 4x4 convolution of stride 4, then LayerNorm."""
    CONV = "conv"
    """Two 3x3 convolutions of stride 2 with LayerNorm and GELU between, then LayerNorm."""


class DownsampleKind(StrEnum):
    """How a stage hands its map to the next one: half the size, twice the channels."""

    PATCH_MERGING = "patch_merging"
    """2x2 pixels side by side, LayerNorm, linear."""
    CONV = "conv"
    """One 3x3 convolution of stride 2, then LayerNorm."""
    CONV_2X2 = "conv_2x2"
    """One 2x2 convolution of stride 2, which leaves an odd last row out, then LayerNorm."""


@dataclass(frozen=True)
class VMambaConfig:
    """Architecture of one network.

    Args:
        depths: blocks of each of the four stages.
        dims: channels of each stage.
        ssm_ratio: inner channels of SS2D per channel of the stage.
        d_state: N, the state size of the selective scan.
        dt_rank: R, the rank of the step; None means ceil(channels / 16) in each stage.
        mlp_ratio: hidden channels of the MLP per channel; 0 means that blocks have no MLP.
        gated: the first paper's block, whose in_proj also makes a gate z.
        conv_side: of the kernel of SS2D's depthwise convolution, odd; 0 where there is none.
        conv_bias: whether that convolution has a bias.
        stem: kind of the stem.
        downsample: kind of the three downsampling layers.
        num_classes: features of the head; None for a backbone, which has no classifier.
        in_chans: channels of the input image.
        outnorm_indices: the stages whose map passes a LayerNorm in `forward_features`.
        pos_embed: (rows, columns) of the position embedding that is added to the stem's map, so
            that images have one size; None where there is none.
    """

    depths: tuple[int, ...]
    dims: tuple[int, ...]
    ssm_ratio: float = 2.0
    d_state: int = 1
    dt_rank: int | None = None
    mlp_ratio: float = 4.0
    gated: bool = False
    conv_side: int = 3
    conv_bias: bool = False
    stem: StemKind = StemKind.CONV
    downsample: DownsampleKind = DownsampleKind.CONV
    num_classes: int | None = 1000
    in_chans: int = 3
    outnorm_indices: tuple[int, ...] = ()
    pos_embed: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if len(self.depths) != STAGES or len(self.dims) != STAGES:
            raise ValueError(f"a network has {STAGES} stages; got {self.depths} and {self.dims}")

    def rank(self, stage: int) -> int:
        """R, the rank of the step in the given stage."""
        if self.dt_rank is not None:
            return self.dt_rank
        return -(-self.dims[stage] // CHANNELS_PER_DT_RANK)

    def inner_channels(self, stage: int) -> int:
        """D, the channels of the selective scan in the given stage."""
        return int(self.ssm_ratio * self.dims[stage] + _ROUNDING)

    def mlp_channels(self, stage: int) -> int:
        """Hidden channels of the MLP in the given stage; 0 where there is none."""
        return int(self.mlp_ratio * self.dims[stage] + _ROUNDING)

    @property
    def image_size(self) -> tuple[int, int] | None:
        """(height, width) of the only images that the network takes; None: of any size."""
        if self.pos_embed is None:
            return None
        rows, columns = self.pos_embed
        return rows * PATCH_PIXELS, columns * PATCH_PIXELS
