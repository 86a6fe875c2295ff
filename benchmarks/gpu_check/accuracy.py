"""The op against float64 at every shape class, over poisoned memory, and bit for bit again.

Shape classes are the published networks' shapes, the edges of what is allowed, one case for every
way in which this GPU's plans launch the kernels, and random shapes.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu_check.accuracy_cases import (
    DTYPES,
    LARGEST_BAR,
    NMSE_BARS,
    RELATIVE_BAR,
    AccuracyCase,
    fixed_cases,
    random_case,
)
from benchmarks.gpu_check.bars import RANDOM_SHAPES
from benchmarks.gpu_check.context import Json, StageContext
from benchmarks.gpu_check.launch_ways import cases_of_every_way, gpu_at_hand
from benchmarks.gpu_check.native_scan import poisoned_scan
from benchmarks.op_inputs import OpInputs, random_inputs
from benchmarks.plain_chain import scan_routes

_RESERVE_S = 5.0
# Of the maps that float64 keeps at a time; larger batches go through it in parts.
_REFERENCE_BYTES = 2**32


class InaccurateError(AssertionError):
    """Some case is beyond its bar; the stage's result says which."""


def run(context: StageContext) -> Json:
    """Every fixed case in every dtype, then as many random ones as there is time for."""
    result: Json = {"cases": [], "random": None, "failures": []}
    cases = fixed_cases(rehearsal=context.rehearsal)
    if not context.rehearsal:  # the CPU kernel has one way only
        cases += cases_of_every_way(gpu_at_hand())
    for case in cases:
        for dtypes in DTYPES:
            _keep(result, "cases", judged(case, dtypes, context.device))
        context.save(result)
    result["random"] = _random_shapes(context, result)
    context.save(result)
    if result["failures"]:
        first = result["failures"][0]
        raise InaccurateError(
            f"{len(result['failures'])} cases are beyond their bar, first {first}"
        )
    return result


def judged(case: AccuracyCase, dtypes: tuple[torch.dtype, torch.dtype], device: str) -> Json:
    """The errors of one case, and whether they pass.

    `equal_bits`: whether a second run, with the images moved on by one place of the batch, gives
    every image the bits that it had.
    """
    in_dtype, out_dtype = dtypes
    inputs = random_inputs(case.dims, in_dtype, device, seed=case.dims.length)
    rolled = replace(inputs, x=inputs.x.roll(1, 0), proj=inputs.proj.roll(1, 0))
    y = poisoned_scan(_placed(inputs, case.offset), out_dtype)
    again = poisoned_scan(_placed(rolled, case.offset), out_dtype)
    equal_bits = torch.equal(again.roll(-1, 0), y)
    expected = expected_result(inputs)
    errors = errors_of(y.double(), expected)
    passed = errors["nmse"] <= nmse_bar(expected, out_dtype) and equal_bits
    if out_dtype == torch.float32:
        passed = passed and errors["relative"] <= RELATIVE_BAR and errors["largest"] <= LARGEST_BAR
    return {
        "kind": case.kind,
        "dims": asdict(case.dims),
        "x": str(in_dtype).removeprefix("torch."),
        "y": str(out_dtype).removeprefix("torch."),
        **errors,
        "equal_bits": equal_bits,
        "passed": passed,
    }


def _placed(inputs: OpInputs, offset: int) -> OpInputs:
    """The same values, with x and proj `offset` elements behind the start of their memory."""
    if offset == 0:
        return inputs
    return replace(inputs, x=_moved(inputs.x, offset), proj=_moved(inputs.proj, offset))


def _moved(values: Tensor, offset: int) -> Tensor:
    memory = torch.empty(values.numel() + offset, dtype=values.dtype, device=values.device)
    memory[offset:] = values.flatten()
    return memory[offset:].view(values.shape)


def expected_result(inputs: OpInputs) -> Tensor:
    """y [B,H,W,D] in float64 from the already rounded inputs."""
    x, proj, *parameters = inputs.as_float64()
    image_bytes = 12 * 4 * 8 * x[0].numel()
    images = max(1, _REFERENCE_BYTES // image_bytes)
    parts = zip(x.split(images), proj.unflatten(-1, (4, -1)).split(images), strict=True)
    return torch.cat([scan_routes(*part, *parameters) for part in parts])


def nmse_bar(expected: Tensor, out_dtype: torch.dtype) -> float:
    """The NMSE allowed to a result of this type.

    That of rounding the exact result is always allowed: of few values it may lie above the bar.
    """
    rounding = errors_of(expected.to(out_dtype).double(), expected)["nmse"]
    return max(NMSE_BARS[out_dtype], 1.1 * rounding)


def errors_of(y: Tensor, expected: Tensor) -> dict[str, float]:
    """Norm-wise relative error, NMSE, largest |d| / (1 + |y|); infinite where y is not finite."""
    difference = torch.nan_to_num(y - expected, nan=torch.inf)
    nmse = float((difference.square().sum() / expected.square().sum()).item())
    largest = float((difference.abs() / (1 + expected.abs())).max().item())
    return {"relative": nmse**0.5, "nmse": nmse, "largest": largest}


def _random_shapes(context: StageContext, result: Json) -> Json:
    wanted = 12 if context.rehearsal else RANDOM_SHAPES
    worst: dict[str, float] = {}
    done = 0
    for seed in range(wanted):
        if context.seconds_left() < _RESERVE_S:
            break
        case = random_case(seed, largest_side=9 if context.rehearsal else 40)
        row = judged(case, DTYPES[seed % len(DTYPES)], context.device)
        worst[row["y"]] = max(worst.get(row["y"], 0.0), row["relative"])
        if not row["passed"]:
            result["failures"].append(row)
        done += 1
    return {"done": done, "wanted": wanted, "worst_relative": worst}


def _keep(result: dict[str, Any], where: str, row: Json) -> None:
    result[where].append(row)
    if not row["passed"]:
        result["failures"].append(row)
