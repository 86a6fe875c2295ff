"""Vim as a family: its parts behind the protocol of `models.family`. Imports nothing heavy."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vmamba_deploy.models.class_names import usual_imagenet_1k
from vmamba_deploy.models.family import (
    Agreement,
    ClassNames,
    Family,
    NotThisFamilyError,
    OpCalls,
)
from vmamba_deploy.models.vim.config import VimConfig
from vmamba_deploy.models.vim.presets import ALIASES, PRESETS
from vmamba_deploy.ops.selective_scan.specification import SELECTIVE_SCAN
from vmamba_deploy.precisions import BaseName
from vmamba_deploy.tasks import CLASSIFICATION

if TYPE_CHECKING:
    from torch import Tensor

    from vmamba_deploy.models.checkpoints.settings import Settings
    from vmamba_deploy.models.network import Network


class VimFamily(Family[VimConfig]):
    """See `Family` for what each part is for."""

    name = "Vim"
    presets = PRESETS
    aliases = ALIASES
    anchor = re.compile(r"(?:^|(?<=\.))layers\.\d+\.mixer\.")
    own_names = re.compile(
        r"(?:cls_token|cls_token_head|cls_token_tail|pos_embed)$|norm_f\.|head\."
    )
    layers = re.compile(r"patch_embed|layers\.\d+")
    tasks = (CLASSIFICATION.name,)
    published = re.compile(r"(?:^|-)vim_[tsb]_midclstok_(?:ft_)?\d+p\dacc")

    def usual_classes(self, config: VimConfig) -> ClassNames | None:
        """Those of ImageNet-1k."""
        return usual_imagenet_1k(config.num_classes)

    def build(self, config: VimConfig) -> Network:
        """The layers."""
        from vmamba_deploy.models.vim.network import Vim

        return Vim(config)

    def initialize(self, network: Network, seed: int) -> None:
        """Random weights under which every part of the network matters."""
        from vmamba_deploy.models.vim.initialization import initialize
        from vmamba_deploy.models.vim.network import Vim

        assert isinstance(network, Vim)
        initialize(network, seed)

    def canonical_weights(self, tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
        """They are named in one way alone."""
        return dict(tensors)

    def detect(self, weights: Mapping[str, Tensor]) -> VimConfig:
        """The architecture that the shapes tell; the rest is as published."""
        from vmamba_deploy.models.vim.detection import detect_config

        return detect_config(weights)

    def settled(
        self,
        config: VimConfig,
        settings: Sequence[Settings],
        assumed: Mapping[str, str],
        path: Path,
    ) -> tuple[VimConfig, Agreement]:
        """Place of the class token, halving, stride and size, epsilon."""
        from vmamba_deploy.models.vim.settling import settled

        return settled(config, settings, assumed, path)

    def agreement(
        self, config: VimConfig | None, settings: Sequence[Settings], path: Path
    ) -> Agreement:
        """Options of the public code that are not computed here are refused by name."""
        from vmamba_deploy.models.vim.said import refuse_other_networks

        refuse_other_networks(settings, path)
        return Agreement()

    def like_file(self, config: VimConfig, weights: Mapping[str, Tensor]) -> VimConfig:
        """The preset's with the classes, the input and the size that the file has."""
        from vmamba_deploy.models.vim.detection import detect_config

        try:
            told = detect_config(weights)
        except NotThisFamilyError:
            return config
        return replace(config, num_classes=told.num_classes, in_chans=told.in_chans, grid=told.grid)

    def preset_with(self, config: VimConfig) -> str | None:
        """The preset that has these layers, whatever its input, size and classes."""
        for name, preset in self.presets.items():
            own = preset.config
            alike = replace(
                config, num_classes=own.num_classes, in_chans=own.in_chans, grid=own.grid
            )
            if alike == own:
                return name
        return None

    def cast(self, network: Network, precision: BaseName) -> Network:
        """Linear layers and convolutions; norms, residual, scan and head stay float32."""
        from vmamba_deploy.models.vim.network import Vim, convert_precision

        assert isinstance(network, Vim)
        return convert_precision(network, precision)

    def freeze(self, network: Network) -> None:
        """What the mixers compute with."""
        from vmamba_deploy.models.vim.network import freeze, mixers

        freeze(mixers(network))

    def for_size(self, network: Network, size: tuple[int, int]) -> Network:
        """With positions resized to it."""
        from vmamba_deploy.models.vim.network import Vim, for_size

        assert isinstance(network, Vim)
        return network if size == network.image_size else for_size(network, size)

    def op_calls(self, config: VimConfig, task: str) -> Sequence[OpCalls]:
        """One scan in two directions in each block."""
        sizes = {"N": config.d_state, "step_per_channel": 0}
        return (OpCalls(SELECTIVE_SCAN.key, config.depth, sizes),)

    def summary(self, config: VimConfig) -> dict[str, Any]:
        """Blocks, channels, N, and how the sequence is made."""
        return {
            "depth": config.depth,
            "channels": config.channels,
            "d_state": config.d_state,
            "patch": config.patch,
            "stride": config.stride,
            "tokens": config.tokens,
            "class_token": config.class_token.value,
            "divide_out": config.divide_out,
            "norm": config.norm.value,
        }


VIM: Final = VimFamily()
