"""The judge of results passes what is right and names what is not; its cases can be drawn again."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.op_page import check_bars
from vmamba_deploy.ops.op import BFLOAT16, FLOAT16, FLOAT32
from vmamba_deploy.ops.selective_scan_2d.specification import ScanDims
from vmamba_deploy.ops.torch_registration import TORCH_DTYPES
from vmamba_deploy.testing import (
    check_accuracy,
    errors_of,
    nmse_limit,
    numpy_dtype,
    random_case,
    random_tensors,
)

DIMS = ScanDims(2, 5, 7, 24, 3, 4)
PAGE = Path(__file__).parents[1] / "docs" / "selective_scan_2d.md"


def test_the_bars_are_those_of_the_page():
    check_bars(PAGE)


@pytest.mark.parametrize("code", [FLOAT32, FLOAT16, BFLOAT16])
def test_the_rounded_exact_result_passes_and_one_that_is_off_does_not(code):
    expected = random_case(DIMS, code, seed=1).expected
    for y, off in (
        (expected.astype(numpy_dtype(code)), (expected * 1.01).astype(numpy_dtype(code))),
        (torch.from_numpy(expected).to(TORCH_DTYPES[code]), torch.from_numpy(expected * 1.01)),
    ):
        exact = expected if isinstance(y, np.ndarray) else torch.from_numpy(expected)
        assert check_accuracy(y, exact, code).nmse <= nmse_limit(exact, code)
        with pytest.raises(AssertionError, match=r"NMSE is .*e-0\d, at most .* is allowed"):
            check_accuracy(off, exact, code)


def test_float32_is_asked_for_its_largest_error_as_well():
    expected = random_case(ScanDims(1, 30, 30, 32, 1, 2), seed=2).expected
    y = expected.astype(np.float32)
    y[0, 0, 0, 0] += 3e-5 * (1 + abs(y[0, 0, 0, 0]))
    with pytest.raises(AssertionError, match=r"^y in float32: max \|d\| / \(1 \+ \|y\|\) is 3"):
        check_accuracy(y, expected, FLOAT32)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_is_infinitely_wrong(value):
    expected = random_case(DIMS, seed=3).expected
    y = expected.astype(np.float32)
    y[0, 0, 0, 0] = value
    for given, exact in ((y, expected), (torch.from_numpy(y), torch.from_numpy(expected))):
        errors = errors_of(given, exact)
        assert (errors.nmse, errors.largest) == (math.inf, math.inf)


def test_small_values_are_judged_by_their_own_size():
    expected = np.full((2, 2), 1e-30)
    assert errors_of(2 * expected, expected).nmse == pytest.approx(1)
    assert errors_of(np.ones(2), np.zeros(2)).nmse == math.inf
    assert errors_of(np.zeros(2), np.zeros(2)).nmse == 0


def test_another_shape_is_refused_and_an_empty_one_is_right():
    with pytest.raises(AssertionError, match=r"y has shape \(1, 3\), expected \(2, 3\)"):
        errors_of(np.zeros((1, 3)), np.zeros((2, 3)))
    assert errors_of(np.zeros((0, 3)), np.zeros((0, 3))).nmse == 0


def test_cases_depend_on_their_arguments_alone():
    one, again, other = (random_case(DIMS, FLOAT16, seed=seed) for seed in (4, 4, 5))
    assert all(np.array_equal(*pair) for pair in zip(one.inputs, again.inputs, strict=True))
    assert not np.array_equal(one.inputs[0], other.inputs[0])
    assert [value.dtype.name for value in one.inputs] == ["float16"] * 2 + ["float32"] * 4
    assert list(one.by_name) == ["x", "proj", "dt_weight", "dt_bias", "a", "d"]
    tensors = random_tensors(DIMS, torch.float16, seed=4)
    assert all(
        tensor.shape == value.shape for tensor, value in zip(tensors.scan, one.inputs, strict=True)
    )
    assert tensors.x.dtype == torch.float16


def test_steps_are_in_their_range():
    bias = random_case(DIMS, seed=6, steps=(0.5, 2.0)).inputs[3]
    delta = np.log1p(np.exp(bias))
    assert 0.5 <= delta.min() < delta.max() <= 2.0
