"""The Vim network, and what is done to one before it is run."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vmamba_deploy.errors import UsageError
from vmamba_deploy.models.network import Network
from vmamba_deploy.models.vim.config import NormKind, Pooling, VimConfig
from vmamba_deploy.models.vim.mixer import Mixer
from vmamba_deploy.models.vmamba.layers.casting import Conv2d, LayerNorm, Linear, cast
from vmamba_deploy.precisions import PRECISIONS, BaseName
from vmamba_deploy.tasks import CLASSIFICATION


class RMSNorm(nn.Module):
    """Root mean square norm over the last axis, in the dtype of its weight, float32."""

    if TYPE_CHECKING:

        def __call__(self, x: Tensor) -> Tensor:
            """Apply the layer."""

    def __init__(self, channels: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.empty(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise [..., C]."""
        # Spelt so that ONNX Runtime and TensorRT find their fused norms in the graph.
        x = cast(x, self.weight.dtype)
        return x / torch.sqrt(x.pow(2).mean(dim=-1, keepdim=True) + self.eps) * self.weight


def build_norm(config: VimConfig) -> nn.Module:
    """The norm that the configuration names."""
    if config.norm is NormKind.RMS:
        return RMSNorm(config.channels, config.norm_eps)
    norm = LayerNorm(config.channels)
    norm.eps = config.norm_eps
    return norm


class PatchEmbedding(nn.Module):
    """One convolution: a token for each patch."""

    def __init__(self, config: VimConfig) -> None:
        super().__init__()
        self.proj = Conv2d(config.in_chans, config.channels, config.patch, config.stride)

    def forward(self, image: Tensor) -> Tensor:
        """Map [B, I, H, W] to [B, 1, P, C], row by row."""
        return self.proj.forward_image(image).flatten(1, 2).unsqueeze(1)


class Block(nn.Module):
    """x + Mixer(norm(x))."""

    def __init__(self, config: VimConfig) -> None:
        super().__init__()
        self.norm = build_norm(config)
        self.mixer = Mixer(config)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, 1, L, C] to [B, 1, L, C]; the sum is float32."""
        y: Tensor = x + self.mixer(self.norm(x))
        return y


class Vim(Network):
    """Vim for inference.

    State-dict names are those of the public checkpoints. Inside, a sequence is a map of one row,
    [B, 1, L, C], as the scan takes it; the residual stream is float32 in every precision.
    """

    config: VimConfig
    tasks = (CLASSIFICATION.name,)

    def __init__(self, config: VimConfig) -> None:
        super().__init__()
        self.config, self.image_size, self.in_chans = config, config.image_size, config.in_chans
        self.least_side = config.patch
        self.patch_embed = PatchEmbedding(config)
        for name in config.class_token_names:
            self.register_parameter(name, nn.Parameter(torch.empty(1, 1, config.channels)))
        self.pos_embed = nn.Parameter(torch.empty(1, config.tokens, config.channels))
        self.layers = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.norm_f = build_norm(config)
        self.head = Linear(config.channels, config.num_classes)

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Classify images.

        Args:
            pixel_values: [B, I, H, W], normalised, of the network's own size.

        Returns:
            logits [B, num_classes], float32.

        Raises:
            UsageError: images of another size.
        """
        if tuple(pixel_values.shape[2:]) != self.image_size:
            raise UsageError(
                "The network takes images of {}x{} pixels alone: it has a position embedding of "
                "that size.".format(*self.config.image_size)
            )
        x = self.embedded(pixel_values)
        for block in self.layers:
            x = block(x)
        logits: Tensor = self.head(self.pooled(x))
        return logits

    def embedded(self, image: Tensor) -> Tensor:
        """The sequence [B, 1, L, C] float32 that enters the first block: positions are in it."""
        patches = cast(self.patch_embed(image), torch.float32)
        parts: list[Tensor] = []
        start = 0
        for number, place in enumerate(self.config.class_places):
            token = self.get_parameter(self.config.class_token_names[number])
            parts += [
                patches[:, :, start : place - number],
                token.expand(image.shape[0], 1, -1, -1),
            ]
            start = place - number
        parts.append(patches[:, :, start:])
        return torch.cat([part for part in parts if part.shape[2]], dim=2) + self.pos_embed

    def pooled(self, x: Tensor) -> Tensor:
        """What the head reads, [B, C], of the last sum [B, 1, L, C]; only that passes the norm."""
        match self.config.class_places:
            case (place,):
                y = self.norm_f(x[:, 0, place])
            case (first, last):
                y = (self.norm_f(x[:, 0, first]) + self.norm_f(x[:, 0, last])) / 2
            case _ if self.config.pooling is Pooling.LAST:
                y = self.norm_f(x[:, 0, -1])
            case _:
                y = self.norm_f(x).mean(dim=(1, 2))
        read: Tensor = y
        return read


def mixers(network: nn.Module) -> list[Mixer]:
    """The mixers of a network in the order of execution."""
    return [module for module in network.modules() if isinstance(module, Mixer)]


def convert_precision(network: Vim, precision: BaseName) -> Vim:
    """A copy of a network that computes in a precision.

    Linear layers and convolutions take the new dtype, x_proj included. Norms, the residual stream,
    the scan's parameters, state and sum, and the head stay float32.

    Args:
        network: float32; it is not changed.
        precision: `fp32`, `fp16` or `bf16`.
    """
    dtype: torch.dtype = getattr(torch, PRECISIONS[precision].graph_dtype)
    converted = copy.deepcopy(network)
    for path, layer in converted.named_modules():
        kept = path == "head" or path.rpartition(".")[2].startswith("dt_proj")
        if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d) and not kept:
            layer.to(dtype)
    freeze([each for each in mixers(converted) if each.frozen])
    return converted


def freeze(layers: list[Mixer]) -> None:
    """Store what mixers compute with as buffers, so that an exported graph has it as constants."""
    for layer in layers:
        layer.freeze()


@torch.no_grad()
def for_size(network: Vim, size: tuple[int, int]) -> Vim:
    """A copy of a network for images of (height, width), whose positions are resized to them.

    Those of the class tokens stay as they are, and stand where the class tokens stand among the
    patches of the new size; the others are resized as a map, bicubically.

    Raises:
        UsageError: sides that the patches do not cover.
    """
    config = network.config
    if any(side < config.patch or (side - config.patch) % config.stride for side in size):
        raise UsageError(
            f"images of {size[0]}x{size[1]} pixels do not fit the network's patches of "
            f"{config.patch} every {config.stride} pixels",
            hint=f"sides of {config.patch} + n * {config.stride}, for example those of its own "
            "images, {}x{}".format(*config.image_size),
        )
    rows, columns = ((side - config.patch) // config.stride + 1 for side in size)
    sized = copy.deepcopy(network)
    sized.config = replace(config, grid=(rows, columns))
    sized.image_size = sized.config.image_size
    sized.pos_embed = nn.Parameter(_resized_positions(network.pos_embed, config, sized.config))
    return sized


def _resized_positions(rows: Tensor, config: VimConfig, sized: VimConfig) -> Tensor:
    """[1, L, C] of the one architecture to [1, L', C] of the other."""
    of_classes = list(config.class_places)
    of_patches = [i for i in range(config.tokens) if i not in of_classes]
    grid = rows[0, of_patches].reshape(*config.grid, config.channels).permute(2, 0, 1)[None]
    grid = F.interpolate(grid, size=sized.grid, mode="bicubic", align_corners=False)
    made = rows.new_empty(1, sized.tokens, sized.channels)
    places = list(sized.class_places)
    others = [i for i in range(sized.tokens) if i not in places]
    made[:, places], made[:, others] = rows[:, of_classes], grid.flatten(2).transpose(1, 2)
    return made
