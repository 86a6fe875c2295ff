"""One name and one shape for each weight, whatever version of the training code wrote it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from vmamba_deploy.errors import InputFileError, printable
from vmamba_deploy.models.vmamba.heads import HEAD
from vmamba_deploy.ops.selective_scan_2d.specification import ROUTES

_RENAMES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"^patch_embed\.proj\.", "patch_embed.0."),
        (r"^patch_embed\.norm\.", "patch_embed.2."),
        (rf"^{HEAD}", r"classifier.head.\1"),
        (r"^norm\.", "classifier.norm."),
        (r"^head\.", "classifier.head."),
        (r"^pos_embed$", "pos_embed.weight"),
        (r"\.ln_1\.", ".norm."),
        (r"\.ln_2\.", ".norm2."),
        (r"\.self_attention\.", ".op."),
        (r"\.x_proj\.weight$", ".x_proj_weight"),
        (r"\.dt_projs\.weight$", ".dt_projs_weight"),
        (r"\.dt_projs\.bias$", ".dt_projs_bias"),
        # Two ports to transformers, which name the stem in two ways.
        (r"^patch_embeddings\.projection\.0\.", "patch_embed.0."),
        (r"^patch_embeddings\.projection\.1\.", "patch_embed.2."),
        (r"^patch_embeddings\.projection\.3\.", "patch_embed.5."),
        (r"^patch_embeddings\.projection\.4\.", "patch_embed.7."),
        (r"^embeddings\.(?:conv1|projection)\.", "patch_embed.0."),
        (r"^embeddings\.norm1?\.", "patch_embed.2."),
        (r"^embeddings\.conv2\.", "patch_embed.5."),
        (r"^embeddings\.norm2\.", "patch_embed.7."),
        (r"^encoder\.layers\.", "layers."),
        (r"^layernorm\.", "classifier.norm."),
        (r"\.downsample\.(?:down|conv)\.", ".downsample.1."),
        *((rf"^hidden_states_norms\.stage{i + 1}\.", f"outnorm{i}.") for i in range(4)),
    )
)
# Position -> name inside a sequential patch merging; of a convolution, position 1 is the kernel.
_DOWNSAMPLE = re.compile(r"^(layers\.\d+\.downsample)\.([12])\.(weight|bias)$")
_MERGING_NAMES = {"1": "norm", "2": "reduction"}
# A convolution's norm, under the name that patch merging's has.
_CONVOLUTION_NORM = re.compile(r"^(layers\.\d+\.downsample)\.norm\.(weight|bias)$")
_PER_ROUTE = re.compile(r"^(.*\.)(x_proj|dt_projs)\.([0-3])\.(weight|bias)$")
_LINEAR = re.compile(r"(in_proj|out_proj|fc1|fc2|head|reduction)\.weight$")
_HEAD_NORM = "classifier.norm."
_LAST_NORM = "outnorm3."


def canonical_weights(tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Rename and reshape (never transpose) the weights of any known dialect to ours.

    Raises:
        InputFileError: two weights of the file are the same weight in different dialects.
    """
    stacked = _stack_routes(tensors)
    names = {name: _by_pattern(name) for name in stacked}
    # Of a stage's downsampling, what its first layer is: a norm has one axis, a convolution four.
    axes = {
        match[1]: stacked[name].ndim
        for name, renamed in names.items()
        if (match := _DOWNSAMPLE.match(renamed)) and match.groups()[1:] == ("1", "weight")
    }
    canonical: dict[str, Tensor] = {}
    for name, tensor in stacked.items():
        renamed = _downsample_name(names[name], axes)
        if renamed in canonical:
            raise InputFileError(
                f"{path} holds '{printable(renamed)}' twice, once as '{printable(name)}'."
            )
        canonical[renamed] = _canonical_shape(renamed, tensor)
    return _with_head_norm(canonical)


def _by_pattern(name: str) -> str:
    for pattern, replacement in _RENAMES:
        name = pattern.sub(replacement, name)
    return name


def _downsample_name(name: str, axes: Mapping[str, int]) -> str:
    """Patch merging is named by words, a convolution by position."""
    merging, norm = _DOWNSAMPLE.match(name), _CONVOLUTION_NORM.match(name)
    if merging and axes.get(merging[1]) == 1:
        return f"{merging[1]}.{_MERGING_NAMES[merging[2]]}.{merging[3]}"
    if norm and axes.get(norm[1]) == 4:
        return f"{norm[1]}.3.{norm[2]}"
    return name


def _with_head_norm(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """A classifier on a backbone (mmpretrain's) is fed by the norm of the backbone's last map."""
    headed = "classifier.head.weight" in weights
    if not headed or any(name.startswith(_HEAD_NORM) for name in weights):
        return weights
    norm = {name: tensor for name, tensor in weights.items() if name.startswith(_LAST_NORM)}
    return weights | {name.replace(_LAST_NORM, _HEAD_NORM): norm[name] for name in norm}


def _stack_routes(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Stack projections stored as one layer for each route, where all four are there."""
    stacked = dict(tensors)
    for name in tensors:
        match = _PER_ROUTE.match(name)
        if match is None or match.group(3) != "0":
            continue
        prefix, layer, _, kind = match.groups()
        names = [f"{prefix}{layer}.{route}.{kind}" for route in range(ROUTES)]
        parts = [tensors.get(part) for part in names]
        present = [part for part in parts if part is not None]
        if len(present) == ROUTES and len({part.shape for part in present}) == 1:
            for part_name in names:
                del stacked[part_name]
            stacked[f"{prefix}{layer}_{kind}"] = torch.stack(present)
    return stacked


def _canonical_shape(name: str, tensor: Tensor) -> Tensor:
    """Bring a weight to the shape that the network has it in; leave alone what does not fit."""
    if _LINEAR.search(name):
        return _without_trailing_ones(tensor, 2)
    if name.endswith(("x_proj_weight", "dt_projs_weight")):
        return _split_routes(tensor)
    if name.endswith("dt_projs_bias") and tensor.ndim == 1 and tensor.numel() % ROUTES == 0:
        return tensor.reshape(ROUTES, -1)
    if name.endswith("A_logs") and tensor.ndim == 3:
        return tensor.flatten(0, 1)
    if name.endswith("Ds"):
        return tensor.flatten()
    return tensor


def _without_trailing_ones(tensor: Tensor, ndim: int) -> Tensor:
    while tensor.ndim > ndim and tensor.shape[-1] == 1:
        tensor = tensor.squeeze(-1)
    return tensor


def _split_routes(tensor: Tensor) -> Tensor:
    """Bring [4, O, I], [4*O, I], either with trailing ones, to [4, O, I]."""
    if tensor.ndim >= 3 and tensor.shape[0] == ROUTES:
        return _without_trailing_ones(tensor, 3)
    tensor = _without_trailing_ones(tensor, 2)
    if tensor.ndim == 2 and tensor.shape[0] % ROUTES == 0:
        return tensor.reshape(ROUTES, -1, tensor.shape[1])
    return tensor
