from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.adapting.scan_float64 import KINDS, random_call, scan_float64
from vmamba_deploy.adapting.mode import scans_by_op
from vmamba_deploy.adapting.scan_call import ScanCall
from vmamba_deploy.adapting.stand_ins.extensions import forward_of_mamba, forward_of_vmamba
from vmamba_deploy.errors import UsageError

CALL = replace(random_call(KINDS["groups"], 5), z=None)
SIX = (CALL.u, CALL.delta, CALL.a, CALL.b, CALL.c, CALL.d)


def near(y: Tensor, call: ScanCall) -> None:
    torch.testing.assert_close(y, torch.from_numpy(scan_float64(call)[0]).float())


def test_the_scan_of_mamba_ssm_gives_the_result_without_and_with_its_gate() -> None:
    y, x = forward_of_mamba(*SIX, None, CALL.delta_bias, True)
    near(y, CALL)
    last = x[:, :, -1, 1::2]  # where public code reads the last state
    torch.testing.assert_close(last, torch.from_numpy(scan_float64(CALL)[1]).float())
    z = torch.randn_like(CALL.u)
    y, _, gated = forward_of_mamba(*SIX, z, CALL.delta_bias, True)
    near(y, CALL)
    near(gated, replace(CALL, z=z))


@pytest.mark.parametrize("tuning", [(), (1,), (1, True)])
def test_the_variants_of_vmamba_take_their_tuning(tuning: tuple[object, ...]) -> None:
    y, _ = forward_of_vmamba(*SIX, CALL.delta_bias, True, *tuning)
    near(y, CALL)


@pytest.mark.parametrize(("oflex", "dtype"), [(True, torch.float32), (False, torch.float16)])
def test_oflex_says_the_dtype_of_the_result(oflex: bool, dtype: torch.dtype) -> None:
    half = (CALL.u.half(), CALL.delta.half(), CALL.a, CALL.b.half(), CALL.c.half(), CALL.d)
    y, _ = forward_of_vmamba(*half, CALL.delta_bias, True, 1, oflex)
    assert y.dtype == dtype


def test_the_variant_without_an_axis_of_states_is_that_of_one_state() -> None:
    call = random_call(KINDS["groups"], 6, states=1)
    y, _ = forward_of_vmamba(
        call.u,
        call.delta,
        call.a[:, 0],
        call.b[:, :, 0],
        call.c[:, :, 0],
        call.d,
        call.delta_bias,
        True,
    )
    near(y, replace(call, z=None))


def test_nobody_can_compute_with_a_state_that_our_operator_does_not_give() -> None:
    with scans_by_op():
        y, x = forward_of_mamba(*SIX, None, CALL.delta_bias, True)
    near(y, CALL)
    assert x.isnan().all()
    assert x[:, :, -1, 1::2].shape == (*CALL.u.shape[:2], CALL.a.shape[1])


def test_packed_sequences_are_refused() -> None:
    with pytest.raises(UsageError, match=r"packed sequences \(cu_seqlens\)"):
        forward_of_mamba(*SIX, None, None, True, torch.tensor([0, 7]))
