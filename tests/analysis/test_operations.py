import pytest
import torch
import torch.nn.functional as F
from torch import nn

from vmamba_deploy.analysis.operations import matrix_product_rate, multiply_adds
from vmamba_deploy.models.vmamba.config import VMambaConfig
from vmamba_deploy.models.vmamba.network import empty_network


class Attention(nn.Module):
    def forward(self, pixels):
        tokens = pixels.flatten(2).transpose(1, 2)
        return F.scaled_dot_product_attention(tokens, tokens, tokens)


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (nn.Conv2d(3, 5, 3, stride=2, padding=1), 5 * 4 * 6 * 3 * 9),
        (nn.Conv2d(3, 6, 3, padding=1, groups=3), 6 * 8 * 12 * 1 * 9),
        (nn.Linear(12, 7), 3 * 8 * 12 * 7),
        (nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 12, 10), nn.GELU()), 3 * 8 * 12 * 10),
        # 96 tokens of 3 channels: their products with each other, and with the values.
        (Attention(), 96 * 96 * 3 * 2),
        (nn.Softmax(dim=1), 0),
    ],
)
def test_counted_by_hand(network, expected):
    assert multiply_adds(network, (1, 3, 8, 12)) == expected


def by_hand(config, height, width):
    """Of a VMamba with one state, a convolutional stem and downsampling, and MLPs."""
    first, classes = config.dims[0], config.num_classes
    total = height // 2 * (width // 2) * 9 * 3 * (first // 2)
    total += height // 4 * (width // 4) * 9 * (first // 2) * first
    for stage, (depth, dim) in enumerate(zip(config.depths, config.dims, strict=True)):
        pixels = height * width // 16 // 4**stage
        inner, rank = int(dim * config.ssm_ratio), -(-dim // 16)
        scan = 4 * inner * (rank + 16 + 11)
        ss2d = dim * inner + 9 * inner + inner * 4 * (rank + 2) + scan + inner * dim
        total += depth * pixels * (ss2d + 2 * dim * int(dim * config.mlp_ratio))
        if stage < 3:
            total += pixels // 4 * 9 * dim * config.dims[stage + 1]
    return total + config.dims[-1] * classes


def test_a_vmamba_is_that_of_its_layers():
    config = VMambaConfig(
        depths=(1, 2, 1, 1), dims=(16, 32, 64, 128), ssm_ratio=1.0, num_classes=10
    )
    network = empty_network(config)
    for height, width in ((64, 64), (96, 160)):
        found = multiply_adds(network, (1, 3, height, width))
        assert found == by_hand(config, height, width)
    assert next(network.parameters()).device == torch.device("cpu")


def test_the_rate_is_of_this_machine():
    # Of no processor that there is: a thousandth of a GFLOP/s, or a thousand of the fastest.
    assert 1e6 < matrix_product_rate() < 1e15
