"""What is asked of the times, judged from a record."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.gpu_check.targets import judge, result_of, rows_by_competitor, text_of_targets
from benchmarks.op_shapes import BATCHES, GOAL_RATIO, MUST_RATIO

NETWORK = "VMamba-T fp16 batch 128, eager mixed precision of the public form over ours"
LATENCY = "VMamba-T fp16 batch 1 as a CUDA graph, ms"
FLAT = "cost per pixel, largest over smallest"


def record(*, rehearsal: bool = False, **results: Any) -> dict[str, Any]:
    """A record with the results of these commands, each in a part of its own."""
    parts = {
        f"part of {name}": {"status": "passed", "commands": {name: {"result": result}}}
        for name, result in results.items()
    }
    return {"schema_version": 2, "rehearsal": rehearsal, "parts": parts}


def row(competitor: str, ms: float, agrees: bool | None = True) -> dict[str, Any]:
    """A competitor's row; without `agrees` where it gives no logits."""
    told = {} if agrees is None else {"agrees": agrees}
    return {"competitor": competitor, "ms": {"median": ms}, **told}


def network(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"rows": list(rows)}


def op(batch: int, ratio: float | None) -> dict[str, Any]:
    ratios = {} if ratio is None else {"chain_over_ours": {"median": ratio}}
    return {"rows": [{"shape": "D96 L3136 N1", "batch": batch, **ratios}]}


def verdicts(**results: Any) -> dict[str, bool | None]:
    return {target["name"]: target["passed"] for target in judge(record(**results))}


def test_what_was_not_measured_is_neither_passed_nor_missed() -> None:
    assert verdicts() == {NETWORK: None, LATENCY: None, FLAT: None}
    # A command that failed has no result.
    assert verdicts(op=None, network_128=None, resolutions=None) == verdicts()


@pytest.mark.parametrize("batch", BATCHES)
def test_the_op_is_judged_by_the_reference_chain_of_its_run(batch: int) -> None:
    must, goal = MUST_RATIO[batch], GOAL_RATIO[batch]
    name = f"op D96 L3136 N1 batch {batch}, reference chain over ours"

    def judged(ratio: float | None) -> tuple[bool | None, bool | None]:
        found = verdicts(op=op(batch, ratio))
        return found[name], found[f"{name} (goal)"]

    assert judged(must - 0.01) == (False, False)
    assert judged(must) == (True, False)
    assert judged(goal) == (True, True)
    assert judged(None) == (None, None)
    goals = [target["name"] for target in judge(record(op=op(batch, 1.0))) if target.get("goal")]
    assert goals == [f"{name} (goal)"]


def test_the_network_is_judged_by_the_fastest_that_agrees() -> None:
    public = row("public-form", 30.0)
    slow = network(public, row("pytorch-eager", 12.0))
    assert verdicts(network_128=slow)[NETWORK] is False
    assert verdicts(network_128=network(public, row("pytorch-eager", 10.0)))[NETWORK] is True
    for command, name in (("compiled_128", "pytorch-compiled"), ("aotinductor_128", "aotinductor")):
        assert verdicts(network_128=slow, **{command: network(row(name, 9.0))})[NETWORK] is True


@pytest.mark.parametrize("agrees", [False, None])
def test_what_computes_something_else_is_not_ours(agrees: bool | None) -> None:
    public, wrong = row("public-form", 30.0), row("pytorch-compiled", 1.0, agrees)
    assert verdicts(network_128=network(public, wrong))[NETWORK] is None
    slow = row("pytorch-eager", 12.0)
    assert verdicts(network_128=network(public, slow, wrong))[NETWORK] is False
    assert (
        verdicts(network_128=network(public, slow), compiled_128=network(wrong))[NETWORK] is False
    )


def test_the_public_form_is_not_ours_however_fast_it_is() -> None:
    rows = (
        row("public-form", 30.0),
        row("public-form-cuda-graph", 1.0),
        row("scans-alone", 1, None),
    )
    assert verdicts(network_128=network(*rows))[NETWORK] is None
    assert verdicts(network_128=network(row("pytorch-eager", 1.0)))[NETWORK] is None


def test_a_single_image_is_judged_by_its_latency() -> None:
    def latency(*rows: dict[str, Any]) -> bool | None:
        return verdicts(network_1=network(*rows))[LATENCY]

    assert latency(row("pytorch-cuda-graph", 1.5)) is True
    assert latency(row("pytorch-cuda-graph", 1.51)) is False
    assert latency(row("pytorch-eager", 1.0)) is None


def test_a_latency_of_wrong_logits_is_none() -> None:
    rows = network(row("pytorch-cuda-graph", 1.0, agrees=False))
    assert verdicts(network_1=rows)[LATENCY] is None


@pytest.mark.parametrize(("spread", "passed"), [(1.25, True), (1.26, False)])
def test_cost_per_pixel_is_to_be_flat(spread: float, passed: bool) -> None:
    assert verdicts(resolutions={"largest_over_smallest": spread})[FLAT] is passed


def test_no_bar_is_judged_from_a_rehearsal() -> None:
    measured = {"op": op(128, 20.0), "resolutions": {"largest_over_smallest": 1.0}}
    assert judge(record(rehearsal=True, **measured)) == []
    assert judge(record(**measured)) != []


def test_results_are_found_by_their_command() -> None:
    found = record(network_1=network(row("pytorch-eager", 2.0)))
    assert rows_by_competitor(found, "network_1")["pytorch-eager"]["ms"] == {"median": 2.0}
    assert result_of(found, "network_128") == result_of(None, "network_1") == {}
    assert rows_by_competitor(None, "network_1") == {}


def test_each_bar_is_a_line() -> None:
    measured = {"network_1": network(row("pytorch-cuda-graph", 9.0))}
    lines = text_of_targets(judge(record(**measured, resolutions={"largest_over_smallest": 1.1})))
    assert lines.splitlines() == [
        f"not measured  >= 3         -  {NETWORK}",
        f"      MISSED  <= 1.5       9  {LATENCY}",
        f"        pass  <= 1.25    1.1  {FLAT}",
    ]
