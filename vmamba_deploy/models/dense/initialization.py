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
    "rpn_cls": 1.0,
    "rpn_reg": 0.1,
    "fc_cls": 2.0,
    "fc_reg": 0.5,
    "conv_logits": 3.0,
}
PYRAMID_GAINS = {
    "fpn_convs.0.conv": 0.5,
    "fpn_convs.1.conv": 0.8,
    "fpn_convs.2.conv": 1.5,
    "fpn_convs.3.conv": 3.0,
}
"""Of an FPN's last convolutions: else nearly all proposals would come from its finest level, whose
map is the sum of all others and has the most anchors."""
BACKGROUND_BIAS = 7.0
"""Added to the background's logit."""


@torch.no_grad()
def initialize_heads(network: DenseNetwork, seed: int) -> None:
    """Fill every parameter and statistic outside of the backbone from `seed` alone."""
    generator = torch.Generator().manual_seed(seed)
    for path, module in network.named_modules():
        if path.startswith("backbone"):
            continue
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            last = LAST_GAINS.get(path.rpartition(".")[2])
            gain = last or PYRAMID_GAINS.get(path.removeprefix("neck."), BODY_GAIN)
            _fill(module, gain, generator, balanced=last is not None)
            if path.endswith("fc_cls") and module.bias is not None:
                module.bias[-1] += BACKGROUND_BIAS
        elif isinstance(module, BatchNorm):
            module.weight.uniform_(*NORM_WEIGHT_RANGE, generator=generator)
            module.bias.normal_(0, BIAS_STD, generator=generator)
            module.running_mean.normal_(0, NORM_MEAN_STD, generator=generator)
            module.running_var.uniform_(*NORM_VARIANCE_RANGE, generator=generator)


def _fill(
    layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d,
    gain: float,
    generator: torch.Generator,
    *,
    balanced: bool,
) -> None:
    """Normal weights; balanced, each output's have mean 0, so that none wins everywhere."""
    weight: Tensor = layer.weight
    weight.normal_(generator=generator)
    inputs = weight.shape[0] if isinstance(layer, nn.ConvTranspose2d) else weight[0].numel()
    if balanced:
        weight -= weight.flatten(1).mean(dim=1).reshape(-1, *[1] * (weight.ndim - 1))
    weight *= gain / inputs**0.5
    if layer.bias is not None:
        layer.bias.normal_(0, BIAS_STD, generator=generator)
