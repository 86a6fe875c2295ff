import copy

import pytest
import torch
from torch import nn

from vmamba_deploy.models import create_model
from vmamba_deploy.models.vmamba.initialization import training_start
from vmamba_deploy.models.vmamba.network import selective_scans


@pytest.fixture(scope="module")
def started():
    network = create_model("vmamba_tiny_s1l8")
    state = torch.random.get_rng_state()
    training_start(network, seed=3)
    assert torch.equal(torch.random.get_rng_state(), state)
    return network


def test_linear_layers_are_small_and_norms_pass_on(started):
    for layer in started.modules():
        if isinstance(layer, nn.Linear):
            assert abs(layer.weight.std().item() - 0.02) < 0.002
            assert abs(layer.weight.mean().item()) < 1e-3
            assert layer.bias is None or not layer.bias.any()
        elif isinstance(layer, nn.LayerNorm):
            assert layer.weight.eq(1).all()
            assert not layer.bias.any()


def test_convolutions_and_projections_start_as_pytorch_s(started):
    for layer in started.modules():
        if isinstance(layer, nn.Conv2d):
            fresh = nn.Conv2d(
                layer.in_channels, layer.out_channels, layer.kernel_size, groups=layer.groups
            )
            limit = layer.weight[0].numel() ** -0.5
            assert layer.weight.abs().max() <= limit
            assert layer.weight.std().item() == pytest.approx(fresh.weight.std().item(), rel=0.1)
    for scan in selective_scans(started):
        projection = nn.Linear(scan.x_proj_weight.shape[-1], 50, bias=False)
        expected = projection.weight.std().item()
        assert scan.x_proj_weight.std().item() == pytest.approx(expected, rel=0.1)
        assert scan.Ds.eq(1).all()
        assert not scan.A_logs.any()  # of a single state log 1


def test_the_seed_alone_decides(started):
    again, other = (copy.deepcopy(started) for _ in range(2))
    nn.init.ones_(again.classifier.head.weight)
    training_start(again, seed=3)
    training_start(other, seed=4)
    pairs = list(zip(started.parameters(), again.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(one, same) for one, same, _ in pairs)
    assert not torch.equal(pairs[0][0], pairs[0][2])
