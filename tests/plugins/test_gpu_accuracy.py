"""The judge of the GPU's accuracy, on the CPU's kernels: it passes what is right and that alone."""

from __future__ import annotations

import gpu_accuracy
import pytest
import torch
from gpu_accuracy import judged
from gpu_cases import BF16, DTYPES, FP16, FP32, AccuracyCase, fixed_cases, random_case
from gpu_scan import poisoned_scan
from torch import Tensor

from vmamba_deploy import native
from vmamba_deploy.ops.op import FLOAT32
from vmamba_deploy.ops.selective_scan_2d.specification import ScanDims
from vmamba_deploy.testing import NMSE_LIMITS, ScanTensors

SMALL = (
    AccuracyCase("odd sides", ScanDims(2, 9, 7, 12, 1, 3)),
    AccuracyCase("one pixel", ScanDims(3, 1, 1, 5, 1, 1)),
    AccuracyCase("states", ScanDims(2, 6, 5, 8, 4, 2)),
    AccuracyCase("two routes", ScanDims(2, 1, 9, 8, 4, 2, routes=(0, 2), x_per_route=True)),
    AccuracyCase("steps", ScanDims(2, 3, 7, 6, 4, 1, routes=(0,), step_per_channel=True)),
    AccuracyCase("moved", ScanDims(2, 4, 6, 16, 1, 2), offset=1),
)
CASE = SMALL[0]


@pytest.fixture(autouse=True, scope="module")
def cpu_library() -> None:
    available, reason = native.available("vmamba_cpu")
    if not available:
        pytest.skip(reason)


@pytest.mark.parametrize("dtypes", DTYPES, ids=str)
@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.kind)
def test_the_cpu_library_passes(
    case: AccuracyCase, dtypes: tuple[torch.dtype, torch.dtype]
) -> None:
    row = judged(case, dtypes, "cpu")
    assert row["passed"], row
    assert row["equal_bits"]
    assert row["kind"] == case.kind
    assert 0 < row["nmse"] == pytest.approx(row["relative"] ** 2)
    assert (row["x"], row["y"]) == tuple(str(dtype).removeprefix("torch.") for dtype in dtypes)


class Spoiled:
    """The scan with its results changed, all of them or those of the second run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.runs = 0
        self.first = self.second = lambda y: y
        monkeypatch.setattr(gpu_accuracy, "poisoned_scan", self)

    def __call__(self, inputs: ScanTensors, out_dtype: torch.dtype) -> Tensor:
        self.runs += 1
        y = poisoned_scan(inputs, out_dtype)
        return self.second(y) if self.runs % 2 == 0 else self.first(y)


@pytest.fixture
def scan(monkeypatch: pytest.MonkeyPatch) -> Spoiled:
    return Spoiled(monkeypatch)


# A change of the size that each type cannot be excused with.
CHANGES = {FP32: 1.001, FP16: 1.001, BF16: 1.01}


@pytest.mark.parametrize("dtypes", DTYPES, ids=str)
def test_a_result_that_is_off_by_little_fails(
    scan: Spoiled, dtypes: tuple[torch.dtype, torch.dtype]
) -> None:
    scan.first = scan.second = lambda y: y * CHANGES[dtypes[1]]
    row = judged(CASE, dtypes, "cpu")
    assert not row["passed"]
    assert row["equal_bits"]
    assert scan.runs == 2


@pytest.mark.parametrize("dtypes", DTYPES, ids=str)
def test_one_bit_that_differs_in_the_second_run_fails(
    scan: Spoiled, dtypes: tuple[torch.dtype, torch.dtype]
) -> None:
    def one_bit_off(y: Tensor) -> Tensor:
        y = y.clone()
        integers = y.view(torch.int32 if y.dtype == FP32 else torch.int16)
        integers[1, 0, 0, 0] ^= 1
        return y

    scan.second = one_bit_off
    row = judged(CASE, dtypes, "cpu")
    assert not row["equal_bits"]
    assert not row["passed"]


def test_images_that_stay_at_their_place_fail(
    scan: Spoiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a kernel that takes another image's projections."""
    scan.second = lambda y: y.roll(-1, 0)
    row = judged(CASE, (FP32, FP32), "cpu")
    assert not row["equal_bits"]
    assert not row["passed"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("dtypes", DTYPES, ids=str)
def test_one_value_that_is_not_finite_fails(
    scan: Spoiled, dtypes: tuple[torch.dtype, torch.dtype], value: float
) -> None:
    def spoil(y: Tensor) -> Tensor:
        y = y.clone()
        y[0, 1, 1, 2] = value
        return y

    scan.first = scan.second = spoil
    row = judged(CASE, dtypes, "cpu")
    assert not row["passed"]
    assert row["nmse"] == float("inf")
    assert row["largest"] > 1e300


def test_float32_is_asked_for_its_largest_error_as_well(scan: Spoiled) -> None:
    def spoil(y: Tensor) -> Tensor:
        y = y.clone()
        y[0, 0, 0, 0] += 3e-5 * (1 + y[0, 0, 0, 0].abs())
        return y

    scan.first = scan.second = spoil
    row = judged(AccuracyCase("large", ScanDims(1, 40, 40, 32, 1, 2)), (FP32, FP32), "cpu")
    assert row["nmse"] <= NMSE_LIMITS[FLOAT32]
    assert row["relative"] <= gpu_accuracy.RELATIVE_LIMIT
    assert not row["passed"]


def test_cases_are_named_once_and_drawn_again_alike() -> None:
    kinds = [case.kind for case in fixed_cases()]
    assert len(set(kinds)) == len(kinds)
    drawn = [random_case(seed) for seed in range(50)]
    assert drawn == [random_case(seed) for seed in range(50)]
    assert len({case.dims for case in drawn}) > 40
    assert {case.dims.state for case in drawn} >= {1, 2, 4, 8, 16}
