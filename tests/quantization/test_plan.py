"""What a quantization may be asked for, and what is refused by the option's name."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from vmamba_deploy.errors import UsageError
from vmamba_deploy.precisions import PRECISIONS
from vmamba_deploy.quantization.plan import QuantizationPlan, usual_budget

QUANTIZED = [name for name, precision in PRECISIONS.items() if precision.quantized]
OTHERS = [name for name, precision in PRECISIONS.items() if not precision.quantized]


def test_there_are_both_kinds_of_precision() -> None:
    assert {"int8", "fp8"} <= set(QUANTIZED)
    assert {"fp32", "fp16", "bf16"} == set(OTHERS)


def test_the_usual_budget_leaves_most_of_the_limit_for_unseen_images() -> None:
    assert usual_budget("int8") == pytest.approx(1.25e-3)
    assert usual_budget("fp8") * 4 == pytest.approx(PRECISIONS["fp8"].thresholds.nmse)


@pytest.mark.parametrize("budget", [0.0, -1e-3, math.inf, math.nan])
def test_a_budget_that_is_none_is_refused(budget: float) -> None:
    with pytest.raises(UsageError, match="--max-nmse must be above 0"):
        QuantizationPlan(max_nmse=budget)


def test_photos_are_no_folder() -> None:
    assert QuantizationPlan().folder is None
    assert QuantizationPlan(calibrate="photos").folder is None
    assert QuantizationPlan(calibrate="images/photos").folder == Path("images/photos")


@pytest.mark.parametrize("precision", QUANTIZED)
def test_an_engine_is_over_fp16_and_a_cpu_over_fp32(precision) -> None:
    plan = QuantizationPlan()
    assert plan.base_of(precision, engine=True) == "fp16"
    assert plan.base_of(precision, engine=False) == "fp32"


@pytest.mark.parametrize("precision", QUANTIZED)
@pytest.mark.parametrize("engine", [True, False])
def test_a_base_that_is_named_is_taken(precision, engine: bool) -> None:
    for base in ("fp16", "fp32"):
        assert QuantizationPlan(base=base).base_of(precision, engine=engine) == base


def test_a_base_that_cannot_be_is_refused_with_those_that_can() -> None:
    with pytest.raises(UsageError, match="int8 goes with --base fp16 or fp32, not bf16"):
        QuantizationPlan(base="bf16").base_of("int8", engine=True)


@pytest.mark.parametrize("precision", OTHERS)
def test_a_precision_that_is_not_quantized_is_its_own_base(precision) -> None:
    for engine in (True, False):
        assert QuantizationPlan().base_of(precision, engine=engine) == precision


@pytest.mark.parametrize(
    ("plan", "option"),
    [
        (QuantizationPlan(base="fp16"), "--base"),
        (QuantizationPlan(max_nmse=1e-3), "--max-nmse"),
        (QuantizationPlan(smooth=True), "--smooth"),
    ],
)
def test_what_is_of_a_quantized_precision_is_refused_for_others(plan, option: str) -> None:
    with pytest.raises(UsageError, match=f"^{option} is of a quantized precision, not of fp16"):
        plan.base_of("fp16", engine=True)


ASKED = [QuantizationPlan(calibrate="photos"), QuantizationPlan(samples=({"x": np.ones(2)},))]


@pytest.mark.parametrize("plan", ASKED)
def test_fp16_alone_of_the_others_is_calibrated(plan: QuantizationPlan) -> None:
    assert plan.asks_for_calibration
    assert plan.base_of("fp16", engine=False) == "fp16"
    for precision in ("fp32", "bf16"):
        with pytest.raises(UsageError, match=f"nothing to calibrate in {precision}") as told:
            plan.base_of(precision, engine=False)
        assert "--fp16" in told.value.hint


def test_a_plan_says_what_is_calibrated_on() -> None:
    assert not QuantizationPlan().asks_for_calibration
    assert QuantizationPlan().said == QuantizationPlan(calibrate="photos").said == "photos"
    assert QuantizationPlan(calibrate="a/folder").said == "a/folder"
    assert ASKED[1].said == "1 given samples"


def test_smoothing_is_tried_where_it_is_asked_for_and_with_a_budget() -> None:
    assert not QuantizationPlan().tries_smoothing
    assert QuantizationPlan(smooth=True).tries_smoothing
    assert QuantizationPlan(max_nmse=1e-3).tries_smoothing
