"""What a VM-UNet is made of, as data. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vmamba_deploy.models.vmamba.config import PATCH_PIXELS, STAGES, VMambaConfig

SIZE_MULTIPLE = PATCH_PIXELS * 2 ** (STAGES - 1)
"""Of height and width: a map of another size does not fit onto its skip."""


@dataclass(frozen=True)
class VMUNetConfig:
    """Architecture of one network.

    Args:
        encoder: the way down, a VMamba without a classifier, with patch merging.
        decoder_depths: blocks of each of the four stages of the way up, the coarsest first.
        num_classes: logits of each pixel; one stands for two classes, no and yes.
        in_chans: channels of its images, 3, or 1, which the network repeats three times.
    """

    encoder: VMambaConfig
    decoder_depths: tuple[int, ...]
    num_classes: int = 1
    in_chans: int = 3

    def __post_init__(self) -> None:
        if len(self.decoder_depths) != STAGES:
            raise ValueError(f"a decoder has {STAGES} stages; got {self.decoder_depths}")

    @property
    def decoder(self) -> VMambaConfig:
        """The stages of the way up: the encoder's blocks, its channels the other way round."""
        return replace(self.encoder, depths=self.decoder_depths, dims=self.encoder.dims[::-1])
