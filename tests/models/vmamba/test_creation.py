from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

import vmamba_deploy.models.vmamba.layers.ss2d as ss2d_module
from vmamba_deploy import create_model
from vmamba_deploy.errors import UsageError
from vmamba_deploy.models.vmamba.network import VMamba, selective_scans, set_scan_backend


@pytest.fixture(scope="module")
def model() -> VMamba:
    return create_model("t", num_classes=5, seed=11)


def test_eval_mode_and_float32(model: VMamba) -> None:
    assert not model.training
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert all(p.isfinite().all() for p in model.parameters())
    assert model.preset_name == "vmamba_tiny_s1l8"
    assert model.classifier.head.out_features == 5


def test_same_seed_same_weights_whatever_the_global_state(model: VMamba) -> None:
    torch.manual_seed(99)
    state = torch.get_rng_state()
    again = create_model("vmamba_tiny_s1l8", num_classes=5, seed=11)
    assert torch.equal(torch.get_rng_state(), state)
    for name, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_another_seed_gives_other_weights(model: VMamba) -> None:
    other = create_model("t", num_classes=5, seed=12).state_dict()
    for name in ("classifier.head.weight", "layers.1.blocks.0.op.x_proj_weight"):
        assert not torch.equal(model.state_dict()[name], other[name])


def test_initial_steps_lie_where_the_paper_starts(model: VMamba) -> None:
    for layer in selective_scans(model):
        steps = F.softplus(layer.dt_projs_bias)
        assert steps.min() >= 1e-3 * 0.999
        assert steps.max() <= 0.1 * 1.001
        # Log-uniform: the median is the geometric mean of the bounds.
        assert abs(steps.log().median().item() - math.log(1e-2)) < 0.35
        assert torch.equal(layer.Ds, torch.ones_like(layer.Ds))


def test_decay_rates_are_one_to_n() -> None:
    layer = selective_scans(create_model("vanilla_vmamba_tiny"))[0]
    rates = layer.A_logs.exp()
    torch.testing.assert_close(rates, torch.arange(1.0, 17.0).expand_as(rates))


@torch.no_grad()
@pytest.mark.parametrize("preset", ["t", "vanilla_vmamba_tiny"])
def test_the_recurrence_moves_the_logits(preset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Else a comparison of runtimes on random weights would not see a broken scan.
    model = create_model(preset)
    set_scan_backend(model, "reference")
    images = torch.randn(2, 3, 32, 32)
    logits = model(images)
    monkeypatch.setattr(
        ss2d_module, "selective_scan_fp32", lambda _, x, proj, parts: x * parts[3].sum(dim=0)
    )
    assert (logits - model(images)).abs().max() > 0.05
    assert (logits[0] - logits[1]).abs().max() > 0.05


@pytest.mark.parametrize("num_classes", [0, -3])
def test_classes_below_one(num_classes: int) -> None:
    with pytest.raises(UsageError, match="num_classes"):
        create_model("t", num_classes=num_classes)


def test_unknown_preset() -> None:
    with pytest.raises(UsageError):
        create_model("swin_tiny")
