"""Every way of calling `selective_scan_fn`, through our operator: values, nodes, refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.adapting.scan_float64 import KINDS, random_call, scan_float64
from vmamba_deploy.adapting import op_scan
from vmamba_deploy.adapting.op_scan import scan_by_op
from vmamba_deploy.adapting.scan_call import ScanCall
from vmamba_deploy.errors import UsageError

_ROUNDING = {torch.float32: 2e-6, torch.float16: 1e-3, torch.bfloat16: 8e-3}
_NODES = {"groups": 2, "groups of B alone": 2, "no softplus, groups, no bias": 2}


@pytest.fixture
def seed() -> int:
    return int(torch.randint(1 << 30, ()).item())


def distance(y: Tensor, expected: np.ndarray) -> float:
    return float(np.abs(y.double().numpy() - expected).max() / (1 + np.abs(expected).max()))


@pytest.mark.parametrize("kind", KINDS)
def test_it_computes_what_the_text_says(kind: str, seed: int) -> None:
    call = random_call(KINDS[kind], seed)
    y = scan_by_op(call)
    assert y.dtype == call.u.dtype
    assert distance(y, scan_float64(call)[0]) <= _ROUNDING[y.dtype]


@pytest.mark.parametrize("kind", KINDS)
def test_a_traced_call_has_a_node_for_each_group(kind: str) -> None:
    call = random_call(KINDS[kind], 1)

    class Scan(nn.Module):
        def forward(self, u: Tensor) -> Tensor:
            return scan_by_op(replace(call, u=u))

    traced = torch.export.export(Scan(), (call.u,))
    nodes = [
        node
        for node in traced.graph.nodes
        if node.target is torch.ops.vmamba.selective_scan.default
    ]
    assert len(nodes) == _NODES.get(kind, 1)
    assert torch.equal(traced.module()(call.u), scan_by_op(call))


@pytest.mark.parametrize("step", [0.0, 1e-12, 1e-9, 1e-4, 0.3, 40.0, 1e4])
def test_steps_without_softplus_are_taken_as_they_are(step: float, seed: int) -> None:
    """From those that change nothing to those that forget everything."""
    call = random_call(KINDS["no softplus"], seed)
    call = replace(call, delta=torch.full_like(call.delta, step), delta_bias=None)
    assert distance(scan_by_op(call), scan_float64(call)[0]) <= 2e-6


def test_parameters_in_half_precision_are_scaled_without_overflow(seed: int) -> None:
    call = random_call(KINDS["no softplus"], seed)
    assert call.delta_bias is not None
    half = replace(call, a=call.a.half(), delta_bias=call.delta_bias.half())
    assert distance(scan_by_op(half), scan_float64(half)[0]) <= 2e-6


def test_negative_steps_are_refused_where_there_is_no_softplus() -> None:
    call = random_call(KINDS["no softplus"], 0)
    with pytest.raises(UsageError, match="negative steps: delta below 0"):
        scan_by_op(replace(call, delta=-call.delta - 1))


def test_float64_is_refused() -> None:
    call = random_call(KINDS["usual"], 0)
    with pytest.raises(UsageError, match="computed in float32; its input is float64"):
        scan_by_op(replace(call, u=call.u.double()))


def test_a_wrong_shape_is_named_before_the_op_sees_it() -> None:
    call: ScanCall = replace(random_call(KINDS["usual"], 0), delta_bias=torch.zeros(5))
    with pytest.raises(UsageError, match="delta_bias of a selective scan has shape"):
        scan_by_op(call)


def test_the_scale_of_steps_is_large_enough_for_softplus_to_be_the_identity() -> None:
    """softplus(v) is v in float32 from 17 on, so steps down to 17 / scale are exact."""
    v = torch.tensor(17.0)
    assert torch.nn.functional.softplus(v.double()).float() == v
    assert 17 / op_scan._STEP_SCALE < 2e-11
