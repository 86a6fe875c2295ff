"""What a Vim is made of, as data. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

CHANNELS_PER_DT_RANK = 16
INNER_RATIO = 2


class ClassToken(StrEnum):
    """Where the class token stands among the patches; the classes are read there."""

    MIDDLE = "middle"
    """Before the patch of half the number of patches."""
    FIRST = "first"
    BOTH_ENDS = "both-ends"
    """Two tokens, the first and the last; their mean is read."""
    NONE = "none"


class Pooling(StrEnum):
    """What is read where there is no class token."""

    MEAN = "mean"
    LAST = "last"


class NormKind(StrEnum):
    """The norm of the blocks and of the last sum."""

    RMS = "rms"
    LAYER = "layer"


@dataclass(frozen=True)
class VimConfig:
    """Architecture of one network.

    Args:
        channels: C, of every token.
        depth: blocks.
        grid: (rows, columns) of patches.
        patch: side of a patch in pixels.
        stride: pixels from one patch to the next, below `patch` where they overlap.
        d_state: N, the state size of the selective scan.
        dt_rank: R, the rank of the step; None means ceil(C / 16).
        inner_channels: D, of the scan; None means 2 C.
        conv_width: steps that the causal convolution sees.
        norm: of blocks and of the last sum.
        norm_eps: its epsilon.
        class_token: where it stands.
        pooling: what is read where there is none.
        divide_out: whether the sum of both directions is halved.
        num_classes: features of the head.
        in_chans: channels of the input image.
    """

    channels: int
    depth: int = 24
    grid: tuple[int, int] = (14, 14)
    patch: int = 16
    stride: int = 16
    d_state: int = 16
    dt_rank: int | None = None
    inner_channels: int | None = None
    conv_width: int = 4
    norm: NormKind = NormKind.RMS
    norm_eps: float = 1e-5
    class_token: ClassToken = ClassToken.MIDDLE
    pooling: Pooling = Pooling.MEAN
    divide_out: bool = True
    num_classes: int = 1000
    in_chans: int = 3

    @property
    def rank(self) -> int:
        """R, the rank of the step."""
        return self.dt_rank or -(-self.channels // CHANNELS_PER_DT_RANK)

    @property
    def inner(self) -> int:
        """D, the channels of the scan."""
        return self.inner_channels or INNER_RATIO * self.channels

    @property
    def patches(self) -> int:
        """P."""
        return self.grid[0] * self.grid[1]

    @property
    def class_places(self) -> tuple[int, ...]:
        """Of the class tokens within the sequence, in the order of `class_token_names`."""
        return {
            ClassToken.MIDDLE: (self.patches // 2,),
            ClassToken.FIRST: (0,),
            ClassToken.BOTH_ENDS: (0, self.patches + 1),
            ClassToken.NONE: (),
        }[self.class_token]

    @property
    def tokens(self) -> int:
        """L, patches and class tokens."""
        return self.patches + len(self.class_places)

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) of the only images that the network takes."""
        rows, columns = ((side - 1) * self.stride + self.patch for side in self.grid)
        return rows, columns

    @property
    def class_token_names(self) -> tuple[str, ...]:
        """Of the class tokens' weights."""
        if self.class_token is ClassToken.BOTH_ENDS:
            return "cls_token_head", "cls_token_tail"
        return () if self.class_token is ClassToken.NONE else ("cls_token",)
