from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.adapting.scan_float64 import KINDS, random_call, scan_float64
from vmamba_deploy.adapting.plain_scan import scan_plainly
from vmamba_deploy.adapting.scan_call import ScanCall
from vmamba_deploy.errors import UsageError

_ROUNDING = {torch.float32: 2e-6, torch.float16: 1e-3, torch.bfloat16: 8e-3}


@pytest.fixture
def seed() -> int:
    return int(torch.randint(1 << 30, ()).item())


@pytest.mark.parametrize("kind", KINDS)
def test_it_computes_what_the_text_says(kind: str, seed: int) -> None:
    call = random_call(KINDS[kind], seed)
    y, state = scan_plainly(call)
    expected, last = scan_float64(call)
    assert y.dtype == call.u.dtype
    scale = 1 + np.abs(expected).max()
    assert np.abs(y.double().numpy() - expected).max() <= _ROUNDING[y.dtype] * scale
    np.testing.assert_allclose(state.double().numpy(), last, rtol=1e-5, atol=1e-6)


def test_float64_stays_what_it_is(seed: int) -> None:
    call = random_call(KINDS["gate"], seed)
    y, _ = scan_plainly(replace(call, u=call.u.double()))
    assert y.dtype == torch.float64
    np.testing.assert_allclose(y.numpy(), scan_float64(call)[0], rtol=1e-12, atol=1e-12)


def test_it_can_be_differentiated(seed: int) -> None:
    call = random_call(KINDS["groups"], seed)
    names = ("u", "delta", "a", "b", "c", "d", "z", "delta_bias")
    inputs = tuple(getattr(call, name).double().requires_grad_() for name in names)

    def scan(*tensors: torch.Tensor) -> torch.Tensor:
        return scan_plainly(replace(call, **dict(zip(names, tensors, strict=True))))[0]

    assert torch.autograd.gradcheck(scan, inputs)


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        (
            "delta",
            (2, 6, 8),
            r"delta of a selective scan has shape \(2, 6, 8\), expected",
        ),
        ("d", (5,), r"D of a selective scan has shape \(5,\), expected \(6,\)"),
        ("b", (2, 4, 7), r"B of a selective scan has shape \(2, 4, 7\), expected \(2, 3, 7\)"),
        ("c", (2, 4, 3, 7), r"C of .* with groups that divide the 6 channels"),
        ("z", (2, 6), r"z of a selective scan has shape \(2, 6\)"),
        ("delta_bias", (7,), r"delta_bias of a selective scan has shape \(7,\)"),
    ],
)
def test_a_wrong_shape_is_named(name: str, shape: tuple[int, ...], expected: str) -> None:
    call: ScanCall = replace(random_call(KINDS["gate"], 0), **{name: torch.zeros(shape)})
    with pytest.raises(UsageError, match=expected):
        scan_plainly(call)


def test_a_complex_a_is_refused() -> None:
    call = random_call(KINDS["usual"], 0)
    with pytest.raises(UsageError, match="with a complex A is not computed here"):
        scan_plainly(replace(call, a=call.a.to(torch.complex64)))
