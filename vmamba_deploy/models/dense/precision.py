"""Bringing a dense network into a precision."""

from __future__ import annotations

import copy

import torch
from torch import nn

from vmamba_deploy.models.dense.layers import ConvNormReLU
from vmamba_deploy.models.dense.network import DenseNetwork
from vmamba_deploy.models.network import Network
from vmamba_deploy.precisions import PRECISIONS, PrecisionName

_LAST_LAYERS = frozenset(("conv_seg", "rpn_cls", "rpn_reg", "fc_cls", "fc_reg", "conv_logits"))


def convert_precision(
    network: DenseNetwork, backbone: Network, precision: PrecisionName
) -> DenseNetwork:
    """A copy of a network that computes in a precision.

    The last layers, boxes, scores and their suppression stay float32; so do interpolations of the
    pooling pyramid. Normalisations of batches are put into their convolutions.

    Args:
        network: float32; it is not changed.
        backbone: its backbone, already converted.
        precision: of the other linear layers and convolutions.
    """
    dtype: torch.dtype = getattr(torch, PRECISIONS[precision].graph_dtype)
    # What the memo has for the backbone is taken in its place: it is not copied first.
    converted = copy.deepcopy(network, {id(network.backbone): backbone})
    for layer in converted.modules():
        if isinstance(layer, ConvNormReLU):
            layer.fold()
    for path, layer in converted.named_modules():
        of_head = isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d) and not (
            path.startswith("backbone.") or path.rpartition(".")[2] in _LAST_LAYERS
        )
        if of_head:
            layer.to(dtype)
    return converted
