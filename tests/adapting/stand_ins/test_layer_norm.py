from __future__ import annotations

import pytest
import torch
from torch import nn

from vmamba_deploy.adapting.stand_ins.layer_norm import RMSNorm, layer_norm_fn, rms_norm_fn
from vmamba_deploy.errors import UsageError

X, RESIDUAL = torch.randn(2, 5, 8), torch.randn(2, 5, 8)
WEIGHT, BIAS = torch.rand(8) + 0.5, torch.randn(8)


def test_the_norms_are_those_of_pytorch() -> None:
    rms = nn.functional.rms_norm(X, (8,), WEIGHT, eps=1e-3)
    torch.testing.assert_close(rms_norm_fn(X, WEIGHT, None, eps=1e-3), rms)
    torch.testing.assert_close(rms_norm_fn(X, WEIGHT, BIAS, eps=1e-3), rms + BIAS)
    layer = nn.functional.layer_norm(X, (8,), WEIGHT, BIAS, eps=1e-3)
    torch.testing.assert_close(layer_norm_fn(X, WEIGHT, BIAS, eps=1e-3), layer)
    both = layer_norm_fn(X, WEIGHT, None, eps=1e-3, is_rms_norm=True)
    torch.testing.assert_close(both, rms)


def test_the_sum_with_the_residual_is_normalised_and_given() -> None:
    y, kept = rms_norm_fn(X, WEIGHT, None, residual=RESIDUAL, prenorm=True, eps=1e-5)
    torch.testing.assert_close(kept, X + RESIDUAL)
    torch.testing.assert_close(y, nn.functional.rms_norm(X + RESIDUAL, (8,), WEIGHT, eps=1e-5))


@pytest.mark.parametrize("wide", [True, False])
def test_half_precision_is_summed_in_float32(wide: bool) -> None:
    x = X.half()
    y, kept = rms_norm_fn(x, WEIGHT, None, prenorm=True, residual_in_fp32=wide, eps=1e-5)
    assert y.dtype == torch.float16
    assert kept.dtype == (torch.float32 if wide else torch.float16)
    exact = nn.functional.rms_norm(x.double(), (8,), WEIGHT.double(), eps=1e-5)
    torch.testing.assert_close(y, exact.half())


def test_the_module_has_a_weight_and_no_bias() -> None:
    norm = RMSNorm(8, eps=1e-2)
    assert set(norm.state_dict()) == {"weight"}
    assert norm.bias is None
    with torch.no_grad():
        norm.weight.copy_(WEIGHT)
    torch.testing.assert_close(norm(X), nn.functional.rms_norm(X, (8,), WEIGHT, eps=1e-2))


@pytest.mark.parametrize("named", [{"dropout_p": 0.1}, {"x1": X}, {"rowscale": WEIGHT}])
def test_what_is_not_computed_is_refused(named: dict[str, object]) -> None:
    (name,) = named
    with pytest.raises(UsageError, match=f"not computed here with {name}="):
        rms_norm_fn(X, WEIGHT, None, **named)
    assert rms_norm_fn(X, WEIGHT, None, dropout_p=0.0, x1=None).shape == X.shape
