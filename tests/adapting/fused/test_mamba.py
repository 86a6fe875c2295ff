"""Mamba's mixer as one node, against float64; and the variants that authors made of it."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.adapting.dialect import make_lively
from tests.adapting.mixers_float64 import float64_parameters, mamba_float64
from vmamba_deploy.adapting import adapt
from vmamba_deploy.adapting.adapted_forward import adapted_forward
from vmamba_deploy.adapting.fused.mamba import FusedMamba, directions, forms
from vmamba_deploy.adapting.stand_ins.mamba import Mamba
from vmamba_deploy.adapting.stand_ins.selective_scan_interface import selective_scan_fn

PUBLIC = {
    "one direction": {},
    "other sizes": {"expand": 1, "d_conv": 2, "dt_rank": 3, "d_state": 1},
    "two directions": {"bimamba_type": "v2"},
    "halved": {"bimamba_type": "v2", "if_devide_out": True},
    "scaled, biases": {"init_layer_scale": 0.1, "bias": True},
}


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


def assert_near(got: Tensor, expected: Tensor) -> None:
    """A sum of large terms may be small: what float32 loses goes by the largest number."""
    scale = max(1.0, float(expected.abs().max()))
    torch.testing.assert_close(got, expected, atol=1e-5 * scale, rtol=1e-5)


@pytest.mark.parametrize("length", [1, 3, 14])
@pytest.mark.parametrize("kind", PUBLIC)
def test_public_forms_are_computed(kind: str, length: int) -> None:
    options = {"d_state": 4} | PUBLIC[kind]
    mixer = Mamba(6, **options)
    make_lively(mixer, int(torch.randint(1 << 30, ()).item()))
    tokens = torch.randn(2, length, 6)
    divisor = 2 if options.get("if_devide_out") else 1
    parameters = float64_parameters(mixer)
    if "in_proj.bias" in parameters:  # which the account in float64 does not have
        parameters["in_proj.bias"][:] = 0
        mixer.in_proj.bias.zero_()
    expected = mamba_float64(tokens, parameters, divisor)
    (replaced,) = adapt(mixer).replaced
    assert replaced.what == "Mamba, as a whole"
    assert_near(mixer(tokens).double(), torch.from_numpy(expected))


class BiasTwice(Mamba):
    """dt_proj adds the bias, and the scan adds it again: a slip that trained networks live with."""

    activate = staticmethod(F.silu)

    def forward(self, hidden_states: Tensor, inference_params: object = None) -> Tensor:
        x, z = self.in_proj(hidden_states).transpose(1, 2).chunk(2, dim=1)
        u = self.activate(self.conv1d(x)[..., : x.shape[-1]])
        sizes = [self.dt_rank, self.d_state, self.d_state]
        step, b, c = self.x_proj(u.transpose(1, 2)).split(sizes, dim=-1)
        y = selective_scan_fn(
            u,
            self.dt_proj(step).transpose(1, 2),
            -torch.exp(self.A_log),
            b.transpose(1, 2),
            c.transpose(1, 2),
            self.D,
            delta_bias=self.dt_proj.bias,
            delta_softplus=True,
        )
        return self.out_proj((y * F.silu(z)).transpose(1, 2))


class WithGelu(BiasTwice):
    activate = staticmethod(F.gelu)


@pytest.mark.parametrize(("kind", "activation"), [(BiasTwice, "silu"), (WithGelu, "gelu")])
def test_variants_are_told_from_the_public_form(kind: type[Mamba], activation: str) -> None:
    mixer = kind(6, d_state=4)
    make_lively(mixer, int(torch.randint(1 << 30, ()).item()))
    tokens = torch.randn(2, 9, 6)
    expected = mixer(tokens)
    adapt(mixer)
    assert_near(mixer(tokens), expected)
    fused = adapted_forward(mixer)
    assert isinstance(fused, FusedMamba)
    assert (fused.form.biases, fused.form.activation) == (2, activation)


def test_half_a_second_direction_is_no_mixer() -> None:
    mixer = Mamba(6, bimamba_type="v2")
    assert directions(mixer) == 2
    del mixer.conv1d_b  # as in bimamba v1, which shares the convolution
    assert directions(mixer) == 0
    assert directions(Mamba(6)) == 1
    assert directions(torch.nn.Linear(2, 2)) == 0


def test_the_usual_form_is_tried_first_and_none_twice() -> None:
    tried = list(forms(Mamba(6, bimamba_type="v2")))
    assert (tried[0].activation, tried[0].gate, tried[0].biases) == ("silu", "silu", 1)
    assert len(set(tried)) == len(tried)
