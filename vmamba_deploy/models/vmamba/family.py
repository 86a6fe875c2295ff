"""VMamba as a family: its parts behind the protocol of `models.family`. Imports nothing heavy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vmamba_deploy.errors import printable
from vmamba_deploy.models.class_names import usual_imagenet_1k
from vmamba_deploy.models.family import (
    Agreement,
    ClassNames,
    Family,
    NotThisFamilyError,
    OpCalls,
)
from vmamba_deploy.models.vmamba.config import VMambaConfig
from vmamba_deploy.models.vmamba.heads import HEAD, sequential_heads
from vmamba_deploy.models.vmamba.presets import ALIASES, PRESETS
from vmamba_deploy.ops.selective_scan_2d.specification import SELECTIVE_SCAN_2D
from vmamba_deploy.precisions import BaseName

if TYPE_CHECKING:
    from torch import Tensor

    from vmamba_deploy.models.checkpoints.settings import Settings
    from vmamba_deploy.models.network import Network


class VMambaFamily(Family[VMambaConfig]):
    """See `Family` for what each part is for."""

    name = "VMamba"
    presets = PRESETS
    aliases = ALIASES
    anchor = re.compile(r"(?:^|(?<=\.))layers\.\d+\.blocks\.\d+\.(?:op|self_attention)\.")
    own_names = re.compile(
        r"(?:patch_embed|patch_embeddings|embeddings|outnorm\d+|hidden_states_norms|layernorm)\."
        rf"|(?:classifier\.)?norm\.(?:weight|bias)$|pos_embed$|{HEAD}"
    )
    layers = re.compile(r"patch_embed|layers\.\d+\.(blocks\.\d+|downsample)|classifier")
    published = re.compile(r"(?:^|-)vssm1?_?(?:tiny|small|base)_\w+_ckpt_epoch_\d+")

    def usual_classes(self, config: VMambaConfig) -> ClassNames | None:
        """Those of ImageNet-1k."""
        return usual_imagenet_1k(config.num_classes)

    def build(self, config: VMambaConfig) -> Network:
        """The layers."""
        from vmamba_deploy.models.vmamba.network import VMamba

        return VMamba(config)

    def initialize(self, network: Network, seed: int) -> None:
        """Random weights under which every part of the network matters."""
        from vmamba_deploy.models.vmamba.initialization import initialize

        initialize(network, seed)

    def canonical_weights(self, tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
        """The names and shapes of today's training code."""
        from vmamba_deploy.models.vmamba.dialects import canonical_weights

        return canonical_weights(tensors, path)

    def detect(self, weights: Mapping[str, Tensor]) -> VMambaConfig:
        """The architecture that the shapes tell."""
        from vmamba_deploy.models.vmamba.detection import detect_config

        return detect_config(weights)

    def agreement(
        self, config: VMambaConfig | None, settings: Sequence[Settings], path: Path
    ) -> Agreement:
        """What the file's configuration says, by the names of the training code."""
        from vmamba_deploy.models.vmamba.declared import agreement

        return agreement(config, settings, path)

    def assumptions(self, names: Iterable[str]) -> tuple[str, ...]:
        """A layer before a head that has no weights is taken for a dropout."""
        heads = sequential_heads(names)
        if not heads:
            return ()
        return (
            f"the classifier is '{printable(heads[0])}', a layer of a Sequential: what stands "
            "before it has no weights and is taken for a dropout",
        )

    def like_file(self, config: VMambaConfig, weights: Mapping[str, Tensor]) -> VMambaConfig:
        """The preset's architecture with the input, head and output norms that the file has."""
        from vmamba_deploy.models.vmamba.detection import detect_num_classes, detect_outnorms

        try:
            classes = detect_num_classes(weights)
        except NotThisFamilyError:
            classes = config.num_classes
        stem = weights.get("patch_embed.0.weight")
        return replace(
            config,
            num_classes=classes,
            outnorm_indices=detect_outnorms(weights),
            in_chans=stem.shape[1] if stem is not None and stem.ndim == 4 else config.in_chans,
        )

    def preset_with(self, config: VMambaConfig) -> str | None:
        """The preset that has these layers, whatever its input, head and output norms."""
        for name, preset in self.presets.items():
            plain = replace(
                config,
                num_classes=preset.config.num_classes,
                in_chans=preset.config.in_chans,
                outnorm_indices=(),
                dt_rank=None,
            )
            if plain == preset.config and config.dt_rank is None:
                return name
        return None

    def cast(self, network: Network, precision: BaseName) -> Network:
        """Linear layers and convolutions; the norms, the scan and the head stay float32."""
        from vmamba_deploy.models.vmamba.network import VMamba, convert_precision

        assert isinstance(network, VMamba)
        return convert_precision(network, precision)

    def freeze(self, network: Network) -> None:
        """The scan's parameters."""
        from vmamba_deploy.models.vmamba.network import freeze_scan_parameters

        freeze_scan_parameters(network)

    def op_calls(self, config: VMambaConfig, task: str) -> tuple[OpCalls, ...]:
        """One selective scan in each block."""
        return (OpCalls(SELECTIVE_SCAN_2D.key, sum(config.depths), {"N": config.d_state}),)

    def summary(self, config: VMambaConfig) -> dict[str, Any]:
        """Blocks and channels of the stages, and N."""
        return {
            "depths": list(config.depths),
            "dims": list(config.dims),
            "d_state": config.d_state,
        }


VMAMBA: Final = VMambaFamily()
