"""Seeded random weights of the heads, under which every part of them matters.

The last layers are made so that the scores of anchors, classes and pixels spread: most boxes are
background, the others of several classes, from several levels, and some suppress each other.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vmamba_deploy.models.dense.layers import BatchNorm
from vmamba_deploy.models.dense.network import DenseNetwork

BIAS_STD = 0.1
NORM_WEIGHT_RANGE = (0.8, 1.2)
NORM_MEAN_STD = 0.2
NORM_VARIANCE_RANGE = (0.7, 1.4)
BODY_GAIN = 1.3
"""Of layers before a ReLU: a little below what preserves the variance, 2**0.5."""
LAST_GAINS = {
    "conv_seg": 3.0,
    "rpn_cls": 3.0,
    "rpn_reg": 0.2,
    "fc_cls": 5.0,
    "fc_reg": 1.0,
    "conv_logits": 5.0,
}
BACKGROUND_BIAS = 4.0
"""Added to the background's logit."""


@torch.no_grad()
def initialize_heads(network: DenseNetwork, seed: int) -> None:
    """Fill every parameter and statistic outside of the backbone from `seed` alone."""
    generator = torch.Generator().manual_seed(seed)
    for path, module in network.named_modules():
        if path.startswith("backbone"):
            continue
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            _fill(module, LAST_GAINS.get(path.rpartition(".")[2]), generator)
            if path.endswith("fc_cls") and module.bias is not None:
                module.bias[-1] += BACKGROUND_BIAS
        elif isinstance(module, BatchNorm):
            module.weight.uniform_(*NORM_WEIGHT_RANGE, generator=generator)
            module.bias.normal_(0, BIAS_STD, generator=generator)
            module.running_mean.normal_(0, NORM_MEAN_STD, generator=generator)
            module.running_var.uniform_(*NORM_VARIANCE_RANGE, generator=generator)


def _fill(
    layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d,
    last: float | None,
    generator: torch.Generator,
) -> None:
    """Normal weights; of a last layer each output's have mean 0, so that none wins everywhere."""
    weight: Tensor = layer.weight
    weight.normal_(generator=generator)
    inputs = weight.shape[0] if isinstance(layer, nn.ConvTranspose2d) else weight[0].numel()
    if last is not None:
        weight -= weight.flatten(1).mean(dim=1).reshape(-1, *[1] * (weight.ndim - 1))
    weight *= (last or BODY_GAIN) / inputs**0.5
    if layer.bias is not None:
        layer.bias.normal_(0, BIAS_STD, generator=generator)
