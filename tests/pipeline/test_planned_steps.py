from __future__ import annotations

from typing import Any

from vmamba_deploy.pipeline.events import Event, Steps
from vmamba_deploy.pipeline.plan import ExportPlan
from vmamba_deploy.pipeline.planned_steps import planned_steps
from vmamba_deploy.quantization.plan import QuantizationPlan


def test_an_export_has_the_steps_that_it_planned(exported: Any) -> None:
    _, events = exported
    begun = [event for event in events if event.event == "step-started"]
    assert [event.number for event in begun] == [*range(1, len(begun) + 1)]
    assert {event.count for event in begun} == {len(begun)}


def test_steps_of_a_quantized_file_and_of_the_least() -> None:
    asked = QuantizationPlan(max_nmse=1e-3)
    steps = planned_steps(ExportPlan(precision="int8", quantization=asked, build_engine=False))
    assert steps[:6] == ("weights", "export", "calibrate", "smooth", "select", "quantize")
    assert steps[6:9] == ("library", "parity", "proof")
    least = ExportPlan(build_engine=False, check_parity=False, inline=True)
    assert planned_steps(least) == ("weights", "export", "report", "manifest", "publish")


def test_a_step_that_is_left_out_or_unplanned_misleads_nobody() -> None:
    events: list[Event] = []
    steps = Steps(events.append, ("weights", "library", "report"))
    for name in ("weights", "other", "report"):
        with steps.step(name, name):
            pass
    begun = [event for event in events if event.event == "step-started"]
    assert [(event.number, event.count) for event in begun] == [(1, 3), (None, None), (3, 3)]
    assert "number" not in begun[1].as_json()
