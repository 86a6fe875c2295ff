"""Telling the architecture from the shapes of the weights."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

from vmamba_deploy.models.family import NotThisFamilyError, size_in
from vmamba_deploy.models.vmamba.config import (
    CHANNELS_PER_DT_RANK,
    STAGES,
    DownsampleKind,
    StemKind,
    VMambaConfig,
)

MAX_BLOCKS = 500
"""Of a network; the deepest published one has 33. More are refused before anything is built."""

_BLOCK = re.compile(r"^(\w+)\.(\d{1,9})\.blocks\.(\d{1,9})\.")
_FIRST_BLOCK = "layers.{}.blocks.0."
_DOWNSAMPLE = "layers.0.downsample."


def detect_config(weights: Mapping[str, Tensor]) -> VMambaConfig:
    """Tell the architecture of weights with canonical names.

    Only what tells the architecture is looked at; whether every weight fits is the strict load's
    business.

    Raises:
        NotThisFamilyError: a weight that tells the architecture is missing or has an odd shape, or
            there are more than `MAX_BLOCKS` blocks.
    """
    dims = tuple(size_in(weights, _FIRST_BLOCK.format(i) + "norm.weight", 0) for i in range(STAGES))
    # The widest stage: there the ratios, which the training code rounds down, are told best.
    block = _FIRST_BLOCK.format(STAGES - 1)
    inner = size_in(weights, block + "op.out_norm.weight", 0)
    mlp_channels = 0
    if block + "mlp.fc1.weight" in weights:
        mlp_channels = size_in(weights, block + "mlp.fc1.weight", 0)
    if min(dims) < 1 or inner < 1:
        raise NotThisFamilyError(f"the stages have {dims} channels and the scan {inner}")
    return VMambaConfig(
        depths=depths_of(weights),
        dims=dims,
        ssm_ratio=inner / dims[-1],
        d_state=size_in(weights, block + "op.A_logs", 1),
        dt_rank=_dt_rank(weights, dims),
        mlp_ratio=mlp_channels / dims[-1],
        gated=size_in(weights, block + "op.in_proj.weight", 0) == 2 * inner,
        conv_side=_conv_side(weights, block + "op.conv2d.weight"),
        conv_bias=block + "op.conv2d.bias" in weights,
        stem=StemKind.CONV if "patch_embed.5.weight" in weights else StemKind.PATCH,
        downsample=_downsample(weights),
        num_classes=detect_num_classes(weights),
        in_chans=size_in(weights, "patch_embed.0.weight", 1),
        outnorm_indices=detect_outnorms(weights),
        pos_embed=_pos_embed(weights),
    )


def detect_num_classes(weights: Mapping[str, Tensor]) -> int | None:
    """Features of the head; None where no weight of a classifier is present.

    Raises:
        NotThisFamilyError: there is a classifier, but its head has no weight.
    """
    if not any(name.startswith("classifier.") for name in weights):
        return None
    return size_in(weights, "classifier.head.weight", 0)


def detect_outnorms(weights: Iterable[str]) -> tuple[int, ...]:
    """Return the stages that have an output norm."""
    names = set(weights)
    return tuple(i for i in range(STAGES) if f"outnorm{i}.weight" in names)


def depths_of(weights: Iterable[str], row: str = "layers") -> tuple[int, ...]:
    """Blocks of each of the four stages of a row of stages.

    Raises:
        NotThisFamilyError: there are more than `MAX_BLOCKS` together.
    """
    blocks: list[set[int]] = [set() for _ in range(STAGES)]
    for name in weights:
        match = _BLOCK.match(name)
        if match and match[1] == row and int(match[2]) < STAGES:
            blocks[int(match[2])].add(int(match[3]))
    depths = tuple(len(found) for found in blocks)
    if sum(depths) > MAX_BLOCKS:
        raise NotThisFamilyError(
            f"the stages have {', '.join(map(str, depths))} blocks, a network at most {MAX_BLOCKS}"
        )
    return depths


def _dt_rank(weights: Mapping[str, Tensor], dims: tuple[int, ...]) -> int | None:
    ranks = [
        size_in(weights, _FIRST_BLOCK.format(i) + "op.dt_projs_weight", 2) for i in range(STAGES)
    ]
    if ranks == [-(-channels // CHANNELS_PER_DT_RANK) for channels in dims]:
        return None
    return ranks[0]


def _conv_side(weights: Mapping[str, Tensor], name: str) -> int:
    """An even side would change the size of the map: no network can have one."""
    if name not in weights:
        return 0
    side = size_in(weights, name, 2)
    if side % 2 == 0:
        raise NotThisFamilyError(f"'{name}' has shape {tuple(weights[name].shape)}")
    return side


def _downsample(weights: Mapping[str, Tensor]) -> DownsampleKind:
    if _DOWNSAMPLE + "reduction.weight" in weights:
        return DownsampleKind.PATCH_MERGING
    convolution = _DOWNSAMPLE + "1.weight"
    two_by_two = convolution in weights and weights[convolution].shape[2:] == (2, 2)
    return DownsampleKind.CONV_2X2 if two_by_two else DownsampleKind.CONV


def _pos_embed(weights: Mapping[str, Tensor]) -> tuple[int, int] | None:
    name = "pos_embed.weight"
    if name not in weights:
        return None
    return size_in(weights, name, 2), size_in(weights, name, 3)
