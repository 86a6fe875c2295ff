from __future__ import annotations

from pathlib import Path

import pytest

from vmamba_deploy.errors import UsageError
from vmamba_deploy.runtimes.tensorrt.flavour import TENSORRT, TENSORRT_RTX
from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan
from vmamba_deploy.tasks import CLASSIFICATION, DETECTION


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batches": (0,)}, "between 1 and"),
        ({"batches": (1, 5000)}, "between 1 and 4096"),
        ({"batches": (8, 4, 16)}, "must ascend"),
        ({"batches": (4, 1, 4)}, "must ascend"),
        ({"batches": (1, 2, 4, 8)}, "three batch sizes"),
        ({"batches": ()}, "no batch size"),
        ({"workspace_mib": 0}, "workspace"),
        ({"shapes": ((64, 64), (96, 96))}, "smallest, the usual and the largest"),
        ({"shapes": ((64, 64), (96, 96), (1, 3, 96, 96))}, "height x width or all four axes"),
        ({"shapes": ((64,), (96,), (128,))}, "height x width or all four axes"),
        ({"shapes": ((64, 64), (96, 32), (128, 64))}, "must not shrink"),
        ({"shapes": ((1, 3, 64, 64),) * 3, "batches": (1,)}, "both say the batch sizes"),
        ({"shapes": ((0, 3, 64, 64),) * 3}, "must not shrink|between 1"),
    ],
)
def test_values_that_make_no_sense(options, message):
    with pytest.raises(UsageError, match=message):
        EnginePlan(**options)


@pytest.mark.parametrize(
    ("flavour", "options", "message"),
    [
        (TENSORRT, {"target_sm": ((8, 6),)}, "for TensorRT-RTX"),
        (TENSORRT_RTX, {"version_compatible": True}, "no version compatible"),
        (TENSORRT_RTX, {"timing_cache": Path("t")}, "no timing cache"),
        (TENSORRT_RTX, {"target_sm": ((8, 6),), "hardware_compatible": True}, "one of the two"),
    ],
)
def test_options_that_the_chosen_flavour_does_not_have(flavour, options, message):
    plan = EnginePlan(**options)
    with pytest.raises(UsageError) as refused:
        plan.check_flavour(flavour)
    assert message in f"{refused.value} {refused.value.hint}"


@pytest.mark.parametrize(
    ("batches", "profile"),
    [((4,), (4, 4, 4)), ((1, 8), (1, 8, 8)), ((1, 2, 4), (1, 2, 4)), ((1, 1, 8), (1, 1, 8))],
)
def test_the_middle_of_the_batches_is_the_usual_one(batches, profile):
    assert EnginePlan(batches=batches).profile_batches == profile


def test_what_a_plan_does_not_say_is_usual_for_the_task():
    sides = ((64, 64), (96, 96), (128, 128))
    shapes = tuple((batch, 3, *side) for batch, side in zip((1, 2, 4), sides, strict=True))
    assert EnginePlan().for_task(CLASSIFICATION).profile_batches == (1, 8, 32)
    assert EnginePlan().for_task(DETECTION).profile_batches == (1, 1, 1)
    assert EnginePlan(shapes=sides).for_task(DETECTION).profile_batches == (1, 1, 1)
    assert EnginePlan(shapes=shapes).for_task(DETECTION).profile_batches == (1, 2, 4)
    assert EnginePlan(batches=(2,)).for_task(DETECTION).profile_batches == (2, 2, 2)
