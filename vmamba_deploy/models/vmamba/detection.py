"""Telling the architecture from the shapes of the weights."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

from vmamba_deploy.models.family import NotThisFamilyError
from vmamba_deploy.models.vmamba.config import (
    CHANNELS_PER_DT_RANK,
    STAGES,
    DownsampleKind,
    StemKind,
    VMambaConfig,
)

_BLOCK = re.compile(r"^layers\.(\d+)\.blocks\.(\d+)\.")
_FIRST_BLOCK = "layers.{}.blocks.0."


def detect_config(weights: Mapping[str, Tensor]) -> VMambaConfig:
    """Tell the architecture of weights with canonical names.

    Only what tells the architecture is looked at; whether every weight fits is the strict load's
    business.

    Raises:
        NotThisFamilyError: a weight that tells the architecture is missing or has an odd shape.
    """
    dims = tuple(_size(weights, _FIRST_BLOCK.format(i) + "norm.weight", 0) for i in range(STAGES))
    first = _FIRST_BLOCK.format(0)
    inner = _size(weights, first + "op.out_norm.weight", 0)
    mlp_channels = 0
    if first + "mlp.fc1.weight" in weights:
        mlp_channels = _size(weights, first + "mlp.fc1.weight", 0)
    if min(dims) < 1 or inner < 1:
        raise NotThisFamilyError(f"the stages have {dims} channels and the scan {inner}")
    merging = "layers.0.downsample.reduction.weight" in weights
    return VMambaConfig(
        depths=_depths(weights),
        dims=dims,
        ssm_ratio=inner / dims[0],
        d_state=_size(weights, first + "op.A_logs", 1),
        dt_rank=_dt_rank(weights, dims),
        mlp_ratio=mlp_channels / dims[0],
        gated=_size(weights, first + "op.in_proj.weight", 0) == 2 * inner,
        conv_bias=first + "op.conv2d.bias" in weights,
        stem=StemKind.CONV if "patch_embed.5.weight" in weights else StemKind.PATCH,
        downsample=DownsampleKind.PATCH_MERGING if merging else DownsampleKind.CONV,
        num_classes=detect_num_classes(weights),
        in_chans=_size(weights, "patch_embed.0.weight", 1),
        outnorm_indices=detect_outnorms(weights),
    )


def detect_num_classes(weights: Mapping[str, Tensor]) -> int | None:
    """Features of the head; None where no weight of a classifier is present.

    Raises:
        NotThisFamilyError: there is a classifier, but its head has no weight.
    """
    if not any(name.startswith("classifier.") for name in weights):
        return None
    return _size(weights, "classifier.head.weight", 0)


def detect_outnorms(weights: Iterable[str]) -> tuple[int, ...]:
    """Return the stages that have an output norm."""
    names = set(weights)
    return tuple(i for i in range(STAGES) if f"outnorm{i}.weight" in names)


def _depths(weights: Mapping[str, Tensor]) -> tuple[int, ...]:
    blocks: list[set[int]] = [set() for _ in range(STAGES)]
    for name in weights:
        match = _BLOCK.match(name)
        if match and int(match.group(1)) < STAGES:
            blocks[int(match.group(1))].add(int(match.group(2)))
    return tuple(len(found) for found in blocks)


def _dt_rank(weights: Mapping[str, Tensor], dims: tuple[int, ...]) -> int | None:
    ranks = [
        _size(weights, _FIRST_BLOCK.format(i) + "op.dt_projs_weight", 2) for i in range(STAGES)
    ]
    if ranks == [-(-channels // CHANNELS_PER_DT_RANK) for channels in dims]:
        return None
    return ranks[0]


def _size(weights: Mapping[str, Tensor], name: str, axis: int) -> int:
    tensor = weights.get(name)
    if tensor is None:
        raise NotThisFamilyError(f"there is no '{name}'")
    if tensor.ndim <= axis:
        raise NotThisFamilyError(f"'{name}' has shape {tuple(tensor.shape)}")
    return tensor.shape[axis]
