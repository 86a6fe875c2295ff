from __future__ import annotations

from pathlib import Path

import pytest

from vmamba_deploy.errors import UsageError
from vmamba_deploy.runtimes.tensorrt import TENSORRT, TENSORRT_RTX, EnginePlan


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batches": (0,)}, "between 1 and"),
        ({"batches": (1, 5000)}, "between 1 and 4096"),
        ({"batches": (8, 4, 16)}, "must ascend"),
        ({"batches": (4, 4)}, "must ascend"),
        ({"batches": ()}, "no batch size"),
        ({"workspace_mib": 0}, "workspace"),
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
    [((4,), (4, 4, 4)), ((1, 8), (1, 8, 8)), ((1, 2, 4), (1, 2, 4)), ((1, 2, 4, 8, 9), (1, 4, 9))],
)
def test_the_middle_of_the_batches_is_the_usual_one(batches, profile):
    assert EnginePlan(batches=batches).profile_batches == profile
