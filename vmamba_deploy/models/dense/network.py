"""What the dense networks have in common: a backbone of another family."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from vmamba_deploy.models.dense.layers import ConvNormReLU
from vmamba_deploy.models.network import Network
from vmamba_deploy.precisions import PRECISIONS, BaseName
from vmamba_deploy.tasks import FEATURES, Task

_LAST_LAYERS = frozenset(("conv_seg", "rpn_cls", "rpn_reg", "fc_cls", "fc_reg", "conv_logits"))


class DenseNetwork(Network):
    """A head over a backbone's four maps.

    Args:
        task: that it was made for; it can also give the backbone's maps.
        backbone: with the method `forward_features`.
    """

    backbone: Network

    def __init__(self, task: Task, backbone: Network) -> None:
        super().__init__()
        self.tasks = (task.name, FEATURES.name)
        self.backbone = backbone
        self.in_chans, self.image_size = backbone.in_chans, backbone.image_size

    def forward_features(self, pixel_values: Tensor) -> list[Tensor]:
        """The backbone's four maps [B, C, H, W] at 1/4, 1/8, 1/16 and 1/32 of the size.

        Args:
            pixel_values: [B, I, H, W], normalised.
        """
        maps: list[Tensor] = getattr(self.backbone, FEATURES.method)(pixel_values)
        return maps


def convert_precision(
    network: DenseNetwork, backbone: Network, precision: BaseName
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
