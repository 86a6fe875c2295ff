"""Mistakes that an adaptation could make, each put into one module of an adapted network.

The comparison with the unadapted network must notice every one of them: at the network's output, in
float32, by the limits that an export is held to. What it would let through, nobody would find.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.adapting.conftest import adapted
from vmamba_deploy.adapting import unadapted
from vmamba_deploy.adapting.adapted_forward import adapted_forward
from vmamba_deploy.adapting.fused.mamba import FusedMamba
from vmamba_deploy.adapting.fused.ss2d import FusedSS2D
from vmamba_deploy.adapting.stand_ins import selective_scan_interface
from vmamba_deploy.precisions import PRECISIONS

SS2D_NETWORKS = ("vanilla_ss2d", "mamba_ir", "mamba_yolo", "vmamba_v2")
GATED = ("vanilla_ss2d", "mamba_ir", "mamba_yolo")


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def is_noticed(network: nn.Module, x: Tensor) -> bool:
    with unadapted():
        expected = network(x).double()
    difference = network(x).double() - expected
    nmse = float(difference.square().sum() / expected.square().sum())
    return not nmse <= PRECISIONS["fp32"].thresholds.nmse


def one_fused(network: nn.Module) -> Any:
    """The forward of the last SS2D whose gate is as wide as its map."""
    forwards = [adapted_forward(module) for module in network.modules()]
    fused = [each for each in forwards if isinstance(each, FusedSS2D)]
    return [each for each in fused if not hasattr(each.module, "out_rank")][-1]


def with_parameters(
    fused: Any, change: Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, ...]]
) -> None:
    exact = fused.scan_parameters()
    fused.scan_parameters = lambda: change(*exact)


def with_form(**changes: object) -> Callable[[Any], None]:
    def make(fused: Any) -> None:
        fused.form = replace(fused.form, **changes)

    return make


def with_eps(fused: Any) -> None:
    """Only the adapted forward has the other norm: the module's own stays.

    What reaches the norm is small, as in a network that was just started: at a variance of 1 a
    tenth of 1e-5 is below the rounding of float32.
    """
    fused.module.conv2d.weight.mul_(0.1)
    if fused.module.conv2d.bias is not None:
        fused.module.conv2d.bias.mul_(0.1)
    norm, own = fused.module.out_norm, fused._norm

    def wrong(y: Tensor) -> Tensor:
        eps, norm.eps = norm.eps, norm.eps / 10
        try:
            return own(y)
        finally:
            norm.eps = eps

    fused._norm = wrong


def with_padding(fused: Any) -> None:
    """A convolution that begins a row earlier."""
    own = fused._convolve
    fused._convolve = lambda x: own(x).roll(1, dims=1)


def with_channels_in_another_order(fused: Any) -> None:
    """As if the two halves of in_proj's channels were interleaved."""
    own = fused._scan
    fused._scan = lambda x: own(x.unflatten(-1, (2, -1)).transpose(-1, -2).flatten(-2))


def with_b_and_c_swapped(fused: Any) -> None:
    own = fused._scan
    weight = fused.module.x_proj_weight
    rank, states = fused.module.dt_projs_weight.shape[2], fused.module.A_logs.shape[-1]

    def wrong(x: Tensor) -> Tensor:
        step, b, c = weight.split([rank, states, states], dim=1)
        exact = weight.data
        weight.data = torch.cat([step, c, b], dim=1)
        try:
            return own(x)
        finally:
            weight.data = exact

    fused._scan = wrong


SS2D_MISTAKES: dict[str, Callable[[Any], None]] = {
    "route order": with_form(routes=(0, 2, 1, 3)),
    "routes reversed": with_form(routes=(2, 3, 0, 1)),
    "activation": with_form(activation="relu"),
    "eps": with_eps,
    "conv padding": with_padding,
    "no skip": lambda fused: with_parameters(fused, lambda w, b, a, d: (w, b, a, 0 * d)),
    "sign of A": lambda fused: with_parameters(fused, lambda w, b, a, d: (w, b, -a / 20, d)),
    "A of the log": lambda fused: with_parameters(fused, lambda w, b, a, d: (w, b, a * 1.01, d)),
    "bias twice": lambda fused: with_parameters(fused, lambda w, b, a, d: (w, 2 * b, a, d)),
    "no bias": lambda fused: with_parameters(fused, lambda w, b, a, d: (w, 0 * b, a, d)),
    "B and C swapped": with_b_and_c_swapped,
    "channel order": with_channels_in_another_order,
}
GATE_MISTAKES: dict[str, Callable[[Any], None]] = {
    "gate not activated": with_form(gate="nothing"),
    "gate before the norm": with_form(gate_before_norm=True),
    "gate and map swapped": with_form(gate_first=True),
}
MAMBA_MISTAKES: dict[str, Callable[[Any], None]] = {
    "no divide-out": with_form(divisor=1),
    "bias twice": with_form(biases=2),
    "gate not activated": with_form(gate="nothing"),
    "activation": with_form(activation="gelu"),
    "directions swapped": lambda fused: with_parameters(
        fused, lambda w, b, a, d: (w, b, a.flip(0), d)
    ),
    "no skip": lambda fused: with_parameters(fused, lambda w, b, a, d: (w, b, a, 0 * d)),
}


@pytest.mark.parametrize("name", SS2D_NETWORKS)
@pytest.mark.parametrize("mistake", SS2D_MISTAKES)
def test_a_mistake_in_an_ss2d_is_noticed(name: str, mistake: str) -> None:
    dialect = adapted(name)
    assert not is_noticed(dialect.network, dialect.example)
    SS2D_MISTAKES[mistake](one_fused(dialect.network))
    assert is_noticed(dialect.network, dialect.example)


@pytest.mark.parametrize("name", GATED)
@pytest.mark.parametrize("mistake", GATE_MISTAKES)
def test_a_mistake_with_the_gate_is_noticed(name: str, mistake: str) -> None:
    dialect = adapted(name)
    GATE_MISTAKES[mistake](one_fused(dialect.network))
    assert is_noticed(dialect.network, dialect.example)


@pytest.mark.parametrize("mistake", MAMBA_MISTAKES)
def test_a_mistake_in_a_mamba_of_two_directions_is_noticed(mistake: str) -> None:
    dialect = adapted("vim")
    assert not is_noticed(dialect.network, dialect.example)
    forwards = [adapted_forward(module) for module in dialect.network.modules()]
    halved = [f for f in forwards if isinstance(f, FusedMamba) and f.form.divisor == 2]
    MAMBA_MISTAKES[mistake](halved[-1])
    assert is_noticed(dialect.network, dialect.example)


CALL_MISTAKES: dict[str, Callable[[Any], Any]] = {
    "bias once": lambda call: replace(call, delta_bias=None),
    "no skip": lambda call: replace(call, d=None),
    "B and C swapped": lambda call: replace(call, b=call.c, c=call.b),
    "gate multiplied": lambda call: replace(call, z=call.u),
    "the other way": lambda call: replace(
        call, **{name: getattr(call, name).flip(-1) for name in ("u", "delta", "b", "c")}
    ),
    "no softplus": lambda call: replace(call, delta=call.delta.abs(), softplus=False),
}


@pytest.mark.parametrize("mistake", CALL_MISTAKES)
def test_a_mistake_at_the_call_of_a_scan_is_noticed(
    mistake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MambaVision's mixer, of which the calls are replaced."""
    dialect = adapted("mamba_vision")
    assert not is_noticed(dialect.network, dialect.example)
    right = selective_scan_interface.scan_by_op
    wrong = CALL_MISTAKES[mistake]
    if mistake == "no softplus":
        monkeypatch.setattr("vmamba_deploy.adapting.op_scan._refuse_negative_steps", lambda _: None)
    monkeypatch.setattr(selective_scan_interface, "scan_by_op", lambda call: right(wrong(call)))
    assert is_noticed(dialect.network, dialect.example)


def test_the_silu_of_the_dialects_is_not_their_gelu() -> None:
    """Two activations that a comparison with a loose limit would take for each other."""
    x = torch.randn(1000)
    tanh, exact = F.gelu(x, approximate="tanh"), F.gelu(x)
    nmse = float((tanh - exact).square().sum() / exact.square().sum())
    assert nmse > PRECISIONS["fp32"].thresholds.nmse
