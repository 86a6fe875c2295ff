from __future__ import annotations

import pytest
import torch
from torch import nn

from vmamba_deploy.adapting.stand_ins.causal_conv1d import causal_conv1d_fn, causal_conv1d_fwd
from vmamba_deploy.errors import UsageError

X, WEIGHT, BIAS = torch.randn(2, 6, 9), torch.randn(6, 4), torch.randn(6)


def by_hand(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Tap W - 1 is the step itself, the others are those before it."""
    y = torch.zeros_like(x)
    for step in range(x.shape[-1]):
        for tap in range(weight.shape[1]):
            before = step - (weight.shape[1] - 1 - tap)
            if before >= 0:
                y[..., step] += x[..., before] * weight[:, tap]
    return y


@pytest.mark.parametrize("length", [1, 3, 9])
def test_it_sees_no_later_step(length: int) -> None:
    x = X[..., :length]
    torch.testing.assert_close(causal_conv1d_fn(x, WEIGHT), by_hand(x, WEIGHT))
    silu = nn.functional.silu(by_hand(x, WEIGHT) + BIAS[:, None])
    for name in ("silu", "swish"):
        torch.testing.assert_close(causal_conv1d_fn(x, WEIGHT, BIAS, activation=name), silu)


def test_every_version_of_the_compiled_module_is_served() -> None:
    expected = causal_conv1d_fn(X, WEIGHT, BIAS, activation="silu")
    assert torch.equal(causal_conv1d_fwd(X, WEIGHT, BIAS, True), expected)
    assert torch.equal(causal_conv1d_fwd(X, WEIGHT, BIAS, None, None, None, True), expected)
    result = torch.empty_like(X)
    given = causal_conv1d_fwd(X, WEIGHT, BIAS, None, None, result, None, True)
    assert given is result
    assert torch.equal(result, expected)
    torch.testing.assert_close(causal_conv1d_fwd(X, WEIGHT, None, False), by_hand(X, WEIGHT))


@pytest.mark.parametrize(
    "named",
    [
        {"seq_idx": torch.zeros(2, 9)},
        {"initial_states": torch.zeros(2, 6, 3)},
        {"return_final_states": True},
        {"final_states_out": torch.zeros(2, 6, 3)},
    ],
)
def test_packed_sequences_and_caches_are_refused(named: dict[str, object]) -> None:
    (name,) = named
    with pytest.raises(UsageError, match=f"causal_conv1d_fn with {name} is not computed here"):
        causal_conv1d_fn(X, WEIGHT, **named)


def test_another_activation_is_refused() -> None:
    with pytest.raises(UsageError, match="has no activation 'gelu'"):
        causal_conv1d_fn(X, WEIGHT, activation="gelu")


def test_a_compiled_call_with_a_cache_is_refused() -> None:
    with pytest.raises(UsageError, match="packed sequences or with a cache"):
        causal_conv1d_fwd(X, WEIGHT, BIAS, torch.zeros(2, 9), None, None, True)
