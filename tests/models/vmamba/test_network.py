from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import vmamba_deploy.models.vmamba.layers.ss2d as ss2d_module
from vmamba_deploy.models.vmamba.initialization import initialize
from vmamba_deploy.models.vmamba.network import (
    VMamba,
    empty_network,
    freeze_scan_parameters,
    selective_scans,
    set_scan_backend,
)
from vmamba_deploy.models.vmamba.presets import PRESETS

# Ten times tighter than the golden data's own limit; errors seen are 2e-6.
TOLERANCE = 1e-5
LoadReference = Callable[[Path], VMamba]


def small_network(preset: str) -> VMamba:
    """A network with the preset's kind of layers, small enough for the reference scan."""
    config = replace(
        PRESETS[preset].config, depths=(1, 1, 1, 1), dims=(8, 16, 32, 64), num_classes=7
    )
    model = empty_network(config)
    initialize(model, seed=3)
    set_scan_backend(model, "reference")
    return model


@torch.no_grad()
def test_golden_logits(golden: Any, load_reference: LoadReference) -> None:
    logits = load_reference(golden.classifier_path)(golden.pixel_values)
    torch.testing.assert_close(logits, golden.logits, atol=TOLERANCE, rtol=0)


@torch.no_grad()
def test_golden_features(golden: Any, load_reference: LoadReference) -> None:
    features = load_reference(golden.backbone_path).forward_features(golden.pixel_values)
    assert len(features) == 4
    for mine, theirs in zip(features, golden.features, strict=True):
        torch.testing.assert_close(mine, theirs, atol=TOLERANCE, rtol=0)


@torch.no_grad()
def test_each_image_of_a_batch_is_on_its_own(
    both_blocks: Any, load_reference: LoadReference
) -> None:
    model = load_reference(both_blocks.classifier_path)
    images = both_blocks.pixel_values
    together = model(torch.cat([images, images.flip(0)]))
    torch.testing.assert_close(together[:2], together[2:].flip(0), atol=1e-6, rtol=0)
    torch.testing.assert_close(model(images[1:]), together[1:2], atol=1e-6, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("size", [(32, 32), (36, 45), (71, 33), (57, 95)])
@pytest.mark.parametrize("preset", ["vmamba_tiny_s1l8", "vanilla_vmamba_tiny"])
def test_odd_sizes(preset: str, size: tuple[int, int]) -> None:
    model = small_network(preset)
    image = torch.randn(1, 3, *size)
    features = model.forward_features(image)
    for before, after in itertools.pairwise(features):
        assert after.shape[2:] == tuple((side + 1) // 2 for side in before.shape[2:])
    assert all(feature.is_contiguous() and feature.isfinite().all() for feature in features)
    assert model(image).shape == (1, 7)


def test_a_backbone_gives_its_maps_by_name(both_blocks: Any, load_reference: LoadReference) -> None:
    model = load_reference(both_blocks.backbone_path)
    maps = model(both_blocks.pixel_values)
    assert tuple(maps) == model.output_names == ("feature0", "feature1", "feature2", "feature3")
    expected = model.forward_features(both_blocks.pixel_values)
    assert all(torch.equal(a, b) for a, b in zip(maps.values(), expected, strict=True))
    assert load_reference(both_blocks.classifier_path).output_names == ("logits",)


def test_scan_parameters_have_the_layout_of_the_operator() -> None:
    layer = selective_scans(small_network("vanilla_vmamba_tiny"))[-1]
    inner, rank, state = 128, 4, 16
    dt_weight, dt_bias, a, d = layer.scan_parameters()
    assert dt_weight.shape == (4, rank, inner)
    assert dt_bias.shape == d.shape == (4, inner)
    assert a.shape == (4, state, inner)
    for part in (dt_weight, dt_bias, a, d):
        assert part.dtype is torch.float32
        assert part.is_contiguous()
    route, channel, n = 2, 77, 5
    assert a[route, n, channel] == -layer.A_logs[route * inner + channel, n].exp()
    assert torch.equal(dt_weight[route, :, channel], layer.dt_projs_weight[route, channel])


@torch.no_grad()
def test_freezing_changes_no_bit_and_no_state_dict(
    both_blocks: Any, load_reference: LoadReference
) -> None:
    model = load_reference(both_blocks.classifier_path)
    before, names = model(both_blocks.pixel_values), list(model.state_dict())
    freeze_scan_parameters(model)
    assert torch.equal(model(both_blocks.pixel_values), before)
    assert list(model.state_dict()) == names
    model.layers[0].blocks[0].op.A_logs.fill_(2.0)
    assert torch.equal(model(both_blocks.pixel_values), before)
    freeze_scan_parameters(model)
    assert not torch.equal(model(both_blocks.pixel_values), before)


def test_the_reference_scan_is_differentiable() -> None:
    model = small_network("vmamba_tiny_s2l5")
    model(torch.randn(1, 3, 32, 32)).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@torch.library.custom_op("vmamba_tests::merge", mutates_args=())
def _merge(x: Tensor, proj: Tensor, dt_weight: Tensor) -> Tensor:
    return (x * proj.mean(dim=-1, keepdim=True) * dt_weight.mean()).float()


@_merge.register_fake
def _(x: Tensor, proj: Tensor, dt_weight: Tensor) -> Tensor:
    return torch.empty_like(x, dtype=torch.float32)


@torch.no_grad()
@pytest.mark.parametrize("preset", ["vmamba_tiny_s1l8", "vanilla_vmamba_tiny"])
def test_one_exported_graph_takes_any_batch_and_size(
    preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The graph around the scan is under test, so an opaque operator may stand in for the scan.
    monkeypatch.setattr(
        ss2d_module, "selective_scan_fp32", lambda _, x, proj, parts: _merge(x, proj, parts[0])
    )
    model = small_network(preset)
    freeze_scan_parameters(model)
    dynamic = {
        0: torch.export.Dim("batch"),
        2: torch.export.Dim("height", min=64),
        3: torch.export.Dim("width", min=64),
    }
    example = torch.randn(2, 3, 96, 128)
    program = torch.export.export(model, (example,), dynamic_shapes=(dynamic,))
    scans = [node for node in program.graph.nodes if "vmamba_tests" in str(node.target)]
    assert len(scans) == sum(model.config.depths)
    for shape in [(1, 3, 64, 64), (3, 3, 97, 75), (2, 3, 160, 66)]:
        image = torch.randn(shape)
        torch.testing.assert_close(program.module()(image), model(image), atol=1e-6, rtol=1e-5)


def test_a_copy_of_a_network_is_independent() -> None:
    model = small_network("vmamba_tiny_s1l8")
    other = copy.deepcopy(model)
    with torch.no_grad():
        other.classifier.head.weight.zero_()
    assert model.classifier.head.weight.abs().sum() > 0
