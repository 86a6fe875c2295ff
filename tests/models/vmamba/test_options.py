"""Options of the training code that no published network has, against accounts in float64 NumPy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vmamba_deploy.errors import InputFileError, UsageError
from vmamba_deploy.models import load_model
from vmamba_deploy.models.vmamba.config import DownsampleKind, VMambaConfig
from vmamba_deploy.models.vmamba.detection import MAX_BLOCKS
from vmamba_deploy.models.vmamba.initialization import initialize
from vmamba_deploy.models.vmamba.layers.downsample import build_downsample
from vmamba_deploy.models.vmamba.network import VMamba, empty_network, set_scan_backend

SMALL = VMambaConfig(depths=(1, 1, 1, 1), dims=(8, 16, 32, 64), num_classes=3, ssm_ratio=1.0)
OPTIONS: dict[str, dict[str, Any]] = {
    "2x2 downsample": {"downsample": DownsampleKind.CONV_2X2},
    "position embedding": {"pos_embed": (9, 11)},
    "no depthwise convolution": {"conv_side": 0},
    "wider depthwise convolution": {"conv_side": 7, "conv_bias": True},
    "one channel": {"in_chans": 1},
    "six channels": {"in_chans": 6},
    # 9 of 8 * 1.2, but 76 of 64 * 1.2: the training code rounds down in each stage.
    "ratios that do not divide": {"ssm_ratio": 1.2, "mlp_ratio": 2.7},
}


def network(config: VMambaConfig, seed: int) -> VMamba:
    model = empty_network(config)
    initialize(model, seed)
    set_scan_backend(model, "reference")
    return model


@torch.no_grad()
@pytest.mark.parametrize("option", OPTIONS)
def test_the_option_is_told_from_its_weights(
    option: str, checkpoint: Path, seed_of_the_test: int
) -> None:
    model = network(replace(SMALL, **OPTIONS[option]), seed_of_the_test)
    weights = model.state_dict()
    if "pos_embed.weight" in weights:  # the training code's own name
        weights["pos_embed"] = weights.pop("pos_embed.weight")
    torch.save({"model": weights}, checkpoint)
    loaded = load_model(checkpoint)
    set_scan_backend(loaded, "reference")
    for stage in range(4):
        assert loaded.config.inner_channels(stage) == model.config.inner_channels(stage)
        assert loaded.config.mlp_channels(stage) == model.config.mlp_channels(stage)
    image = torch.randn(1, model.config.in_chans, 36, 44)
    assert torch.equal(loaded(image), model(image))


@torch.no_grad()
def test_2x2_downsample_leaves_an_odd_last_row_and_column_out() -> None:
    layer = build_downsample(DownsampleKind.CONV_2X2, channels=3)
    for parameter in layer.parameters():
        parameter.normal_()
    x = torch.randn(2, 5, 7, 3)
    weight, bias, scale, shift = (p.double().numpy() for p in layer.parameters())
    squares = x.double().numpy()[:, :4, :6].reshape(2, 2, 2, 3, 2, 3)
    y = np.einsum("bhiwjc,ocij->bhwo", squares, weight) + bias
    y = (y - y.mean(-1, keepdims=True)) / np.sqrt(y.var(-1, keepdims=True) + 1e-5)
    expected = torch.from_numpy(y * scale + shift)
    torch.testing.assert_close(layer(x).double(), expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_the_position_embedding_is_added_to_the_map_of_the_stem(seed_of_the_test: int) -> None:
    model = network(replace(SMALL, pos_embed=(9, 11)), seed_of_the_test)
    image = torch.randn(2, 3, 36, 44)
    x = model.patch_embed(image) + model.pos_embed.weight[0].permute(1, 2, 0)
    first = model.layers[0].blocks(x).permute(0, 3, 1, 2)
    torch.testing.assert_close(model.forward_features(image)[0], first)
    with pytest.raises(UsageError, match="36x44 pixels alone"):
        model(torch.randn(1, 3, 36, 48))


def test_too_many_blocks_are_refused_before_anything_is_built(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = network(SMALL, 0).state_dict()
    number = torch.ones(1)
    more = {f"layers.2.blocks.{i}.norm.weight": number for i in range(1, MAX_BLOCKS)}
    torch.save({"model": weights | more}, checkpoint)
    monkeypatch.setattr(VMamba, "__init__", None)
    with pytest.raises(InputFileError, match=f"1, 1, {MAX_BLOCKS}, 1 blocks"):
        load_model(checkpoint)
