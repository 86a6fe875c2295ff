"""Every form that an SS2D can have is told from the others, and gives what an own account gives."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.adapting.dialect import make_lively
from vmamba_deploy.adapting import adapt
from vmamba_deploy.adapting.adapted_forward import adapted_forward
from vmamba_deploy.adapting.fused.ss2d import FusedSS2D, forms, looks_like_ss2d
from vmamba_deploy.adapting.stand_ins.selective_scan_interface import selective_scan_fn

ACTIVATIONS = {
    "silu": F.silu,
    "gelu": F.gelu,
    "relu": F.relu,
    "sigmoid": torch.sigmoid,
    "nothing": lambda x: x,
}


@dataclass(frozen=True)
class Kind:
    """What an author chose."""

    activation: str = "silu"
    gate: str | None = "silu"
    gate_first: bool = False
    gate_before_norm: bool = False
    order: tuple[int, ...] = (0, 1, 2, 3)
    kernel: int = 3
    bias: bool = False
    norm: str = "last"
    channels_first: bool = False
    states: int = 3


KINDS = {
    "usual": Kind(),
    "gelu, gate by relu": Kind(activation="gelu", gate="relu"),
    "no activation, sigmoid": Kind(activation="nothing", gate="sigmoid"),
    "gate as it is": Kind(gate="nothing"),
    "no gate": Kind(gate=None, activation="relu"),
    "gate first": Kind(gate_first=True),
    "gate before the norm": Kind(gate_before_norm=True),
    "rows, their reverses, columns": Kind(order=(0, 2, 1, 3)),
    "reverses first": Kind(order=(2, 3, 0, 1), gate=None),
    "no convolution, biases": Kind(kernel=0, bias=True),
    "five by five": Kind(kernel=5, bias=True),
    "a group norm": Kind(norm="group"),
    "no norm": Kind(norm="none"),
    "a sigmoid for norm": Kind(norm="sigmoid"),
    "channels first": Kind(channels_first=True, bias=True),
    "channels first, group norm": Kind(channels_first=True, norm="group", gate=None),
    "one state": Kind(states=1),
}


class Authors(nn.Module):
    """An SS2D as its author might write it: with four scans of sequences."""

    def __init__(self, kind: Kind, width: int = 4) -> None:
        super().__init__()
        self.kind, inner, rank = kind, 2 * width, 2
        outputs = inner if kind.gate is None else 2 * inner
        if kind.channels_first:
            self.in_proj = nn.Conv2d(width, outputs, 1, bias=kind.bias)
            self.out_proj = nn.Conv2d(inner, width, 1, bias=kind.bias)
        else:
            self.in_proj = nn.Linear(width, outputs, bias=kind.bias)
            self.out_proj = nn.Linear(inner, width, bias=kind.bias)
        if kind.kernel:
            self.conv2d = nn.Conv2d(
                inner, inner, kind.kernel, padding=kind.kernel // 2, groups=inner, bias=kind.bias
            )
        norms = {
            "last": nn.LayerNorm(inner),
            "group": nn.GroupNorm(2, inner),
            "sigmoid": nn.Sigmoid(),
        }
        if kind.norm in norms:
            self.out_norm = norms[kind.norm]
        self.x_proj_weight = nn.Parameter(torch.empty(4, rank + 2 * kind.states, inner))
        self.dt_projs_weight = nn.Parameter(torch.empty(4, inner, rank))
        self.dt_projs_bias = nn.Parameter(torch.empty(4, inner))
        self.A_logs = nn.Parameter(torch.empty(4 * inner, kind.states))
        self.Ds = nn.Parameter(torch.empty(4 * inner))

    def forward(self, x: Tensor) -> Tensor:
        kind = self.kind
        x = self.in_proj(x)
        x = x if kind.channels_first else x.permute(0, 3, 1, 2)
        gate = None
        if kind.gate is not None:
            halves = x.chunk(2, dim=1)
            gate, x = halves if kind.gate_first else halves[::-1]
            gate = ACTIVATIONS[kind.gate](gate)
        x = self.conv2d(x) if kind.kernel else x
        y = self.scanned(ACTIVATIONS[kind.activation](x))
        if gate is not None and kind.gate_before_norm:
            y = y * gate
        if kind.norm == "last":
            y = self.out_norm(y.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        elif kind.norm != "none":
            y = self.out_norm(y)
        if gate is not None and not kind.gate_before_norm:
            y = y * gate
        y = y if kind.channels_first else y.permute(0, 2, 3, 1)
        return self.out_proj(y)

    def scanned(self, x: Tensor) -> Tensor:
        inner, states = x.shape[1], self.kind.states
        rows, columns = x.flatten(2), x.transpose(2, 3).flatten(2)
        total = torch.zeros_like(x)
        for row, route in enumerate(self.kind.order):
            u = (rows, columns, rows.flip(-1), columns.flip(-1))[route]
            projected = torch.einsum("fd,bdl->bfl", self.x_proj_weight[row], u)
            step, b, c = projected.split([2, states, states], dim=1)
            y = selective_scan_fn(
                u,
                torch.einsum("dr,brl->bdl", self.dt_projs_weight[row], step),
                -torch.exp(self.A_logs.view(4, inner, states)[row]),
                b,
                c,
                self.Ds.view(4, inner)[row],
                delta_bias=self.dt_projs_bias[row],
                delta_softplus=True,
            )
            y = y.flip(-1) if route >= 2 else y
            by_columns = y.view(*x.shape[:2], x.shape[3], x.shape[2]).transpose(2, 3)
            total = total + (by_columns if route % 2 else y.view(x.shape))
        return total


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_a_form_is_recognised_and_computed(kind: str) -> None:
    module = Authors(KINDS[kind])
    make_lively(module, int(torch.randint(1 << 30, ()).item()))
    shape = (2, 4, 9, 6) if KINDS[kind].channels_first else (2, 9, 6, 4)
    x = torch.randn(shape)
    expected = module(x)
    (replaced,) = adapt(module).replaced
    assert replaced.what == "Authors, as a whole"
    torch.testing.assert_close(module(x), expected, atol=2e-5, rtol=2e-5)
    fused = adapted_forward(module)
    assert isinstance(fused, FusedSS2D)
    assert fused.form.gate_before_norm == KINDS[kind].gate_before_norm
    assert fused.form.channels_first == KINDS[kind].channels_first
    assert (fused.form.gate is None) == (KINDS[kind].gate is None)


def test_the_usual_form_is_tried_first_and_none_twice() -> None:
    module = Authors(KINDS["usual"])
    tried = list(forms(module, channels_first=False))
    assert (tried[0].activation, tried[0].gate, tried[0].routes) == ("silu", "silu", (0, 1, 2, 3))
    assert len(set(tried)) == len(tried)


def test_other_numbers_of_routes_do_not_look_like_an_ss2d() -> None:
    module = Authors(KINDS["usual"])
    assert looks_like_ss2d(module)
    module.x_proj_weight = nn.Parameter(module.x_proj_weight[:2].clone())
    assert not looks_like_ss2d(module)
    del module.x_proj_weight
    assert not looks_like_ss2d(module)
