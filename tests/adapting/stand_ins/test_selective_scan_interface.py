from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.adapting.scan_float64 import KINDS, random_call, scan_float64
from vmamba_deploy.adapting.mode import scans_by_op, unadapted
from vmamba_deploy.adapting.scan_call import ScanCall
from vmamba_deploy.adapting.stand_ins import selective_scan_interface as interface
from vmamba_deploy.errors import UsageError

CALL = random_call(KINDS["gate"], 3)
ARGUMENTS = (CALL.u, CALL.delta, CALL.a, CALL.b, CALL.c, CALL.d)
NAMED = {"delta_bias": CALL.delta_bias, "delta_softplus": True}


def near(y: Tensor, call: ScanCall) -> None:
    torch.testing.assert_close(y, torch.from_numpy(scan_float64(call)[0]).float())


def test_the_arguments_stand_in_the_public_order() -> None:
    near(interface.selective_scan_fn(*ARGUMENTS, CALL.z, CALL.delta_bias, True), CALL)
    near(interface.SelectiveScanFn.apply(*ARGUMENTS, CALL.z, CALL.delta_bias, True), CALL)
    without = replace(CALL, z=None)
    scan = interface.selective_scan_fn_without_gate
    near(scan(*ARGUMENTS, CALL.delta_bias, True, 1), without)
    near(scan(*ARGUMENTS, **NAMED), without)


def test_the_last_state_is_that_of_the_plain_scan_alone() -> None:
    y, state = interface.selective_scan_fn(*ARGUMENTS, return_last_state=True, **NAMED)
    near(y, replace(CALL, z=None))
    torch.testing.assert_close(state, torch.from_numpy(scan_float64(CALL)[1]).float())
    with scans_by_op(), pytest.raises(UsageError, match="asked for its last state"):
        interface.selective_scan_fn(*ARGUMENTS, return_last_state=True, **NAMED)


def test_packed_sequences_are_refused() -> None:
    with pytest.raises(UsageError, match=r"packed sequences \(cu_seqlens\)"):
        interface.selective_scan_fn(*ARGUMENTS, cu_seqlens=torch.tensor([0, 3, 7]))
    with pytest.raises(UsageError, match=r"packed sequences \(seq_idx\)"):
        interface.mamba_inner_fn(*(CALL.u,) * 8, seq_idx=torch.tensor([0]))


def test_unadapted_wins_over_the_operator_around_it_and_inside_of_it() -> None:
    with unadapted(), scans_by_op():
        y, _ = interface.selective_scan_fn(*ARGUMENTS, return_last_state=True, **NAMED)
    near(y, replace(CALL, z=None))


CHANNELS, STATES, RANK, WIDTH = 6, 3, 2, 4
INNER = {
    "usual": {},
    "no skip, no bias": {"D": None, "delta_bias": None},
    "biases of B and C": {"B_proj_bias": torch.randn(STATES), "C_proj_bias": torch.randn(STATES)},
    "constant B": {"B": torch.randn(CHANNELS, STATES)},
    "given C": {"C": torch.randn(2, STATES, 9)},
    "no softplus": {"delta_softplus": False},
}


@pytest.mark.parametrize("by_op", [False, True])
@pytest.mark.parametrize("kind", INNER)
def test_the_inner_function_is_a_convolution_projections_and_a_scan(kind: str, by_op: bool) -> None:
    named = {"D": torch.randn(CHANNELS), "delta_bias": torch.randn(CHANNELS) - 2} | INNER[kind]
    xz = torch.randn(2, 2 * CHANNELS, 9)
    conv, conv_bias = torch.randn(CHANNELS, 1, WIDTH), torch.randn(CHANNELS)
    x_proj = torch.randn(RANK + 2 * STATES, CHANNELS)
    dt_proj, a = torch.randn(CHANNELS, RANK), -torch.rand(CHANNELS, STATES) - 0.5
    if kind == "no softplus":  # then nothing else keeps the steps positive
        x_proj[:RANK], named["delta_bias"] = 0, torch.rand(CHANNELS)
    out, out_bias = torch.randn(5, CHANNELS), torch.randn(5)
    weights = (conv, conv_bias, x_proj, dt_proj)

    x, z = xz.chunk(2, dim=1)
    u = F.silu(F.conv1d(F.pad(x, (WIDTH - 1, 0)), conv, conv_bias, groups=CHANNELS))
    step, b, c = torch.einsum("fd,bdl->bfl", x_proj, u).split([RANK, STATES, STATES], dim=1)
    call = ScanCall(
        u=u,
        delta=torch.einsum("dr,brl->bdl", dt_proj, step),
        a=a,
        b=named.get("B", b + named.get("B_proj_bias", torch.zeros(STATES))[:, None]),
        c=named.get("C", c + named.get("C_proj_bias", torch.zeros(STATES))[:, None]),
        d=named["D"],
        z=z,
        delta_bias=named["delta_bias"],
        softplus=named.get("delta_softplus", True),
    )
    expected = torch.from_numpy(scan_float64(call)[0]).float()

    def both() -> tuple[Tensor, Tensor]:
        y = interface.mamba_inner_fn_no_out_proj(xz, *weights, a, **named)
        return y, interface.mamba_inner_fn(xz, *weights, out, out_bias, a, **named)

    if by_op:
        with scans_by_op():
            y, projected = both()
    else:
        y, projected = both()
    torch.testing.assert_close(y, expected, atol=3e-5, rtol=3e-5)
    whole = expected.transpose(1, 2) @ out.T + out_bias
    torch.testing.assert_close(projected, whole, atol=1e-4, rtol=1e-4)
