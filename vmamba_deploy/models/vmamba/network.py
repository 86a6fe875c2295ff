"""The VMamba network, and what is done to one before it is run."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

from vmamba_deploy.models.network import Network
from vmamba_deploy.models.vmamba.config import STAGES, VMambaConfig
from vmamba_deploy.models.vmamba.layers.block import VSSBlock
from vmamba_deploy.models.vmamba.layers.casting import LayerNorm, Linear, cast
from vmamba_deploy.models.vmamba.layers.downsample import build_downsample
from vmamba_deploy.models.vmamba.layers.ss2d import SS2D, ScanBackend
from vmamba_deploy.models.vmamba.layers.stem import PositionEmbedding, build_stem
from vmamba_deploy.precisions import PRECISIONS, BaseName
from vmamba_deploy.tasks import CLASSIFICATION, FEATURES

N = TypeVar("N", bound=nn.Module)


class Stage(nn.Module):
    """A row of blocks, and the downsampling to the next stage (none after the last)."""

    def __init__(self, config: VMambaConfig, stage: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(VSSBlock(config, stage) for _ in range(config.depths[stage])))
        self.downsample = (
            build_downsample(config.downsample, config.dims[stage])
            if stage + 1 < STAGES
            else nn.Identity()
        )


class Classifier(nn.Module):
    """LayerNorm, mean over space, linear."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.norm = LayerNorm(channels)
        self.head = Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, H, W, C] to logits [B, num_classes]."""
        return self.head(self.norm(x).mean(dim=(1, 2)))


class VMamba(Network):
    """VMamba for inference.

    State-dict names are those of the public checkpoints. Inside, every map is [B, H, W, C], and the
    residual stream is float32 in every precision.
    """

    config: VMambaConfig

    def __init__(self, config: VMambaConfig) -> None:
        super().__init__()
        self.config, self.image_size = config, config.image_size
        able = (CLASSIFICATION, FEATURES) if config.num_classes is not None else (FEATURES,)
        self.tasks = tuple(task.name for task in able)
        self.in_chans = config.in_chans
        self.patch_embed = build_stem(config.stem, config.in_chans, config.dims[0])
        if config.pos_embed is not None:
            self.pos_embed = PositionEmbedding(config.dims[0], *config.pos_embed)
        self.layers = nn.ModuleList(Stage(config, stage) for stage in range(STAGES))
        if config.num_classes is not None:
            self.classifier = Classifier(config.dims[-1], config.num_classes)
        for stage in config.outnorm_indices:
            self.add_module(f"outnorm{stage}", LayerNorm(config.dims[stage]))

    def forward(self, pixel_values: Tensor) -> Tensor | dict[str, Tensor]:
        """Classify images; without a classifier, give the maps of the stages by their names.

        Args:
            pixel_values: [B, I, H, W], normalised; I is the configuration's `in_chans`.

        Returns:
            logits [B, num_classes], float32; of a backbone, `feature0`..`feature3` as
            `forward_features` gives them.
        """
        if self.config.num_classes is None:
            maps = self.forward_features(pixel_values)
            return dict(zip(FEATURES.output_names, maps, strict=True))
        logits: Tensor = self.classifier(self._stage_maps(pixel_values)[-1])
        return logits

    def forward_features(self, pixel_values: Tensor) -> list[Tensor]:
        """Return the map of each stage before its downsampling.

        Args:
            pixel_values: [B, I, H, W], normalised; I is the configuration's `in_chans`.

        Returns:
            Four maps [B, C, H, W] at 1/4, 1/8, 1/16 and 1/32 of the size, each through its
            `outnorm{i}` where the network has one.
        """
        features = []
        for stage, x in enumerate(self._stage_maps(pixel_values)):
            if stage in self.config.outnorm_indices:
                x = self.get_submodule(f"outnorm{stage}")(x)
            features.append(x.permute(0, 3, 1, 2).contiguous())
        return features

    def _stage_maps(self, pixel_values: Tensor) -> list[Tensor]:
        """Maps [B, H, W, C] of the four stages, before downsampling."""
        x = self.patch_embed(pixel_values)
        if self.config.pos_embed is not None:
            x = self.pos_embed(x)
        maps = []
        for stage in self.layers:
            assert isinstance(stage, Stage)
            x = stage.blocks(cast(x, torch.float32))
            maps.append(x)
            x = stage.downsample(x)
        return maps


def empty_network(config: VMambaConfig) -> VMamba:
    """Build a network in eval mode whose weights are memory not yet written."""
    # The layers' own initialisation would draw from the global random state; skip it wholly.
    with torch.device("meta"):
        model = VMamba(config)
    return model.to_empty(device="cpu").eval()


def selective_scans(model: nn.Module) -> list[SS2D]:
    """Return the SS2D layers of a network in the order of execution."""
    return [module for module in model.modules() if isinstance(module, SS2D)]


def set_scan_backend(model: nn.Module, backend: ScanBackend) -> None:
    """Choose the implementation of the selective scan in every layer of a network."""
    for layer in selective_scans(model):
        layer.scan_backend = backend


def freeze_scan_parameters(model: nn.Module) -> None:
    """Store the scan's parameters, as the operator wants them, as buffers of a network.

    An exported graph then has them as plain initializers. Weights changed afterwards have no effect
    on the scan until this is called again.
    """
    for layer in selective_scans(model):
        layer.freeze_scan_parameters()


def convert_precision(model: VMamba, precision: BaseName) -> VMamba:
    """Return a copy of a network that computes in the given precision.

    Linear layers and convolutions, x_proj included, take the new dtype. LayerNorms, the scan's
    parameters, state and result, the final norm and the head stay float32.

    Args:
        model: a float32 network; it is not changed.
        precision: `fp32`, `fp16` or `bf16`.
    """
    return cast_layers(copy.deepcopy(model), precision, kept="classifier")


def cast_layers(network: N, precision: BaseName, *, kept: str) -> N:
    """Bring linear layers, convolutions and x_proj of a network into a precision; gives it back.

    Args:
        network: with scans of VMamba in it.
        precision: `fp32`, `fp16` or `bf16`.
        kept: what the paths of the layers that stay float32 begin with.
    """
    dtype: torch.dtype = getattr(torch, PRECISIONS[precision].graph_dtype)
    for path, module in network.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d) and not path.startswith(kept):
            module.to(dtype)
        elif isinstance(module, SS2D):
            module.x_proj_weight.data = module.x_proj_weight.data.to(dtype)
            if module.frozen:
                module.freeze_scan_parameters()
    return network
