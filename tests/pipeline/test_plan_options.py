"""The options of an export by their names: in Python those of the command line."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from vmamba_deploy.cli.commands.export import command
from vmamba_deploy.errors import UsageError
from vmamba_deploy.pipeline.plan import ExportPlan
from vmamba_deploy.pipeline.plan_options import option_names, plan_of
from vmamba_deploy.precisions import PRECISIONS
from vmamba_deploy.quantization.plan import usual_budget
from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan

# What the command line has beside them: of its own output, of a network's file, in other words.
OTHERWISE = {"as_json", "verbose", "quiet", "version", "config"}
OTHERWISE |= {"network", "inputs", "dynamic"}
OTHERWISE |= {"no_engine", "no_parity", "precision_name"}


def test_every_option_of_the_command_line_is_one_in_python() -> None:
    offered = {parameter.name for parameter in command.params}
    assert offered - set(option_names()) <= OTHERWISE | set(PRECISIONS)


def test_no_name_stands_for_two_things() -> None:
    assert [name for name, count in Counter(option_names()).items() if count > 1] == []


def test_an_option_reaches_the_plan_that_it_is_a_part_of() -> None:
    plan = plan_of(
        {
            "model": "t",
            "output": "out",
            "weights": Path("w.pth"),
            "image_size": 64,
            "batches": [1, 2, 4],
            "shapes": [[64, 64], [64, 64], [128, 128]],
            "timing_cache": "times",
            "precision": "int8",
            "base": "fp32",
            "calibrate": Path("photos"),
            "mean": [0.5],
            "key": "model_ema",
        }
    )
    assert (plan.output, plan.weights, plan.image_size) == (Path("out"), "w.pth", (64, 64))
    assert plan.engine.batches == (1, 2, 4)
    assert plan.engine.shapes == ((64, 64), (64, 64), (128, 128))
    assert plan.engine.timing_cache == Path("times")
    assert (plan.quantization.base, plan.quantization.calibrate) == ("fp32", "photos")
    assert plan.preprocessing.mean == (0.5,)
    assert plan.choice is not None
    assert plan.choice.key == "model_ema"


def test_a_plan_that_is_given_whole_keeps_what_no_option_says() -> None:
    engine = EnginePlan(flavour="rtx", batches=(1, 2))
    plan = plan_of({"model": "t", "engine": engine, "workspace_mib": 64})
    assert plan.engine == EnginePlan(flavour="rtx", batches=(1, 2), workspace_mib=64)
    assert plan_of({"model": "t"}) == ExportPlan()


def test_auto_is_what_it_is_on_the_command_line() -> None:
    plan, with_budget = (
        plan_of({"model": "t", "precision": "auto", "max_nmse": budget}) for budget in (None, 1e-5)
    )
    assert plan.precision == with_budget.precision == "int8"
    assert plan.quantization.max_nmse == usual_budget("int8")
    assert with_budget.quantization.max_nmse == 1e-5


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch": (1,)}, "export has no option 'batch'; did you mean batches?"),
        ({"model": "t", "nothing_like_it": 1}, "export has no option 'nothing_like_it'$"),
        ({"model": "t", "batches": (2, 1)}, "must ascend"),
    ],
)
def test_what_is_no_option_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        plan_of(options)
