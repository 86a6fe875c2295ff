"""Telling the architecture from the shapes of the weights."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

from torch import Tensor

from vmamba_deploy.models.family import NotThisFamilyError, refuse_relatives, size_in
from vmamba_deploy.models.vim.config import INNER_RATIO, ClassToken, NormKind, VimConfig

MAX_BLOCKS = 500
"""Of a network; the published ones have 24. More are refused before anything is built."""

PUBLISHED_SIDE = 224
"""Of the images of the published networks."""

_LAYER = re.compile(r"layers\.(\d{1,9})\.")
_MIXER = "layers.0.mixer."
# Options of the public code that no published network uses, by the weights that they bring.
_RELATIVES = {
    r"rope\.": "rotary position embedding (RoPE)",
    r"layers\.\d+\.mixer\.gamma$": "a layer scale",
    r"layers\.\d+\.(?:mlp|norm2)\.": "an MLP in its blocks",
    r"layers\.\d+\.mixer\.in_proj\.bias$": "biases in its projections",
    r"patch_embed\.norm\.": "a norm behind its patches",
    r"head_dist\.|dist_token$": "a distillation token",
}


def detect_config(weights: Mapping[str, Tensor]) -> VimConfig:
    """Tell the architecture of weights; what shapes do not tell is as in the published networks.

    Raises:
        NotThisFamilyError: a weight that tells the architecture is missing or has an odd shape, a
            weight is of an option that is not computed here, or there are more than `MAX_BLOCKS`
            blocks.
    """
    inner, state = (size_in(weights, _MIXER + "A_log", axis) for axis in (0, 1))
    _refuse_relatives(weights)
    channels, patch = (size_in(weights, "patch_embed.proj.weight", axis) for axis in (0, 2))
    depth = len({match[1] for name in weights if (match := _LAYER.match(name))})
    if depth > MAX_BLOCKS:
        raise NotThisFamilyError(f"it has {depth} blocks, a network at most {MAX_BLOCKS}")
    rank = size_in(weights, _MIXER + "x_proj.weight", 0) - 2 * state
    token = _class_token(weights)
    patches = size_in(weights, "pos_embed", 1) - len(VimConfig(1, class_token=token).class_places)
    if min(channels, patch, rank, patches) < 1:
        raise NotThisFamilyError(
            f"{channels} channels, patches of {patch}, rank {rank} and {patches} positions"
        )
    return VimConfig(
        channels=channels,
        depth=depth,
        patch=patch,
        stride=_usual_stride(patches, patch),
        d_state=state,
        conv_width=size_in(weights, _MIXER + "conv1d.weight", 2),
        norm=NormKind.LAYER if "norm_f.bias" in weights else NormKind.RMS,
        class_token=token,
        num_classes=size_in(weights, "head.weight", 0),
        in_chans=size_in(weights, "patch_embed.proj.weight", 1),
        dt_rank=None if rank == VimConfig(channels).rank else rank,
        inner_channels=None if inner == INNER_RATIO * channels else inner,
        grid=square_grid(patches) or (1, patches),
    )


def _class_token(names: Iterable[str]) -> ClassToken:
    names = set(names)
    if {"cls_token_head", "cls_token_tail"} & names:
        return ClassToken.BOTH_ENDS
    return ClassToken.MIDDLE if "cls_token" in names else ClassToken.NONE


def _refuse_relatives(weights: Mapping[str, Tensor]) -> None:
    refuse_relatives(weights, _RELATIVES)
    if _MIXER + "A_b_log" not in weights:
        raise NotThisFamilyError("it scans in one direction, which this release does not compute")
    if _MIXER + "conv1d_b.weight" not in weights:
        raise NotThisFamilyError(
            "its directions share convolution and projections (bimamba v1), which this release "
            "does not compute"
        )
    size_in(weights, "pos_embed", 1)


def square_grid(patches: int) -> tuple[int, int] | None:
    """Of so many patches; None where they are no square."""
    side = math.isqrt(patches)
    return (side, side) if side * side == patches else None


def _usual_stride(patches: int, patch: int) -> int:
    """Half a patch where that makes an image of the published size; else a patch."""
    half = patch // 2
    return half if (math.isqrt(patches) - 1) * half + patch == PUBLISHED_SIDE else patch
