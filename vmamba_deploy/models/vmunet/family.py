"""VM-UNet as a family: its parts behind the protocol of `models.family`. Imports nothing heavy."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vmamba_deploy.errors import UsageError
from vmamba_deploy.models.family import (
    Agreement,
    Family,
    NotThisFamilyError,
    OpCalls,
    size_in,
)
from vmamba_deploy.models.vmamba.family import VMAMBA
from vmamba_deploy.models.vmunet.config import VMUNetConfig
from vmamba_deploy.models.vmunet.presets import ALIASES, ISIC_PREPROCESSING, PRESETS
from vmamba_deploy.ops.selective_scan_2d.specification import SELECTIVE_SCAN_2D
from vmamba_deploy.precisions import BaseName
from vmamba_deploy.tasks import SEGMENTATION

if TYPE_CHECKING:
    from torch import Tensor

    from vmamba_deploy.models.checkpoints.settings import Settings
    from vmamba_deploy.models.network import Network

_CHANNELS = "channels"


class VMUNetFamily(Family[VMUNetConfig]):
    """See `Family` for what each part is for."""

    name = "VM-UNet"
    presets = PRESETS
    aliases = ALIASES
    contains = VMAMBA.name
    anchor = re.compile(r"(?:^|(?<=\.))layers_up\.\d+\.")
    own_names = re.compile(r"(?!)")
    layers = re.compile(
        r"patch_embed|layers\.\d\.(?:blocks\.\d+|downsample)"
        r"|layers_up\.\d\.(?:upsample|blocks\.\d+)|final_up"
    )
    preprocessing = ISIC_PREPROCESSING
    tasks = (SEGMENTATION.name,)

    def build(self, config: VMUNetConfig) -> Network:
        """The layers."""
        from vmamba_deploy.models.vmunet.network import VMUNet

        return VMUNet(config)

    def initialize(self, network: Network, seed: int) -> None:
        """As VMamba's: random weights under which every part of the network matters."""
        VMAMBA.initialize(network, seed)

    def canonical_weights(self, tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
        """Within blocks VMamba's names; those around them are named in one way alone."""
        return VMAMBA.canonical_weights(tensors, path)

    def detect(self, weights: Mapping[str, Tensor]) -> VMUNetConfig:
        """The architecture that the shapes tell, with the channels of the preset that has it."""
        from vmamba_deploy.models.vmamba.detection import depths_of

        config = VMUNetConfig(
            encoder=VMAMBA.detect(weights),
            decoder_depths=depths_of(weights, "layers_up"),
            num_classes=size_in(weights, "final_conv.weight", 0),
        )
        published = (preset.config for preset in self.presets.values())
        return next((one for one in published if _but_for_images(one) == config), config)

    def settled(
        self,
        config: VMUNetConfig,
        settings: Sequence[Settings],
        assumed: Mapping[str, str],
        path: Path,
    ) -> tuple[VMUNetConfig, Agreement]:
        """The channels of the images, which the network makes three of."""
        said = dict(assumed)
        channels = said.pop(_CHANNELS, str(config.in_chans))
        if said or channels not in ("1", "3"):
            raise UsageError(
                "Of a VM-UNet only the channels of its images can be assumed.",
                hint=f"--assume {_CHANNELS}=1 or --assume {_CHANNELS}=3",
            )
        return replace(config, in_chans=int(channels)), Agreement()

    def agreement(
        self, config: VMUNetConfig | None, settings: Sequence[Settings], path: Path
    ) -> Agreement:
        """The public files say nothing of themselves: what is taken as published stands here."""
        if config is None:
            return Agreement()
        name = self.preset_with(config)
        grey = config.in_chans == 1
        return Agreement(
            notes=(
                f"the file does not say what its images are: {'grey' if grey else 'RGB'} "
                f"({name or 'no preset'}; --assume {_CHANNELS}=1 or 3), prepared by --mean, "
                "--std and --image-size, which should be those of its training",
            )
        )

    def like_file(self, config: VMUNetConfig, weights: Mapping[str, Tensor]) -> VMUNetConfig:
        """The preset's with the classes that the file has."""
        try:
            return replace(config, num_classes=size_in(weights, "final_conv.weight", 0))
        except NotThisFamilyError:
            return config

    def preset_with(self, config: VMUNetConfig) -> str | None:
        """The preset that is this: classes and channels tell one from another."""
        return next((name for name, each in self.presets.items() if each.config == config), None)

    def cast(self, network: Network, precision: BaseName) -> Network:
        """Linear layers and convolutions but for the last one; norms and scan stay float32."""
        from copy import deepcopy

        from vmamba_deploy.models.vmamba.network import cast_layers

        return cast_layers(deepcopy(network), precision, kept="final_conv")

    def freeze(self, network: Network) -> None:
        """The scans' parameters."""
        VMAMBA.freeze(network)

    def op_calls(self, config: VMUNetConfig, task: str) -> Sequence[OpCalls]:
        """One selective scan in each block."""
        blocks = sum(config.encoder.depths) + sum(config.decoder_depths)
        return (OpCalls(SELECTIVE_SCAN_2D.key, blocks, {"N": config.encoder.d_state}),)

    def summary(self, config: VMUNetConfig) -> dict[str, Any]:
        """The encoder's, and the blocks of the way up."""
        return {**VMAMBA.summary(config.encoder), "decoder_depths": list(config.decoder_depths)}


def _but_for_images(config: VMUNetConfig) -> VMUNetConfig:
    return replace(config, in_chans=3)


VMUNET: Final = VMUNetFamily()
