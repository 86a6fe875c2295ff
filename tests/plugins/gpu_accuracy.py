"""The op on a device against float64, over poisoned memory, and bit for bit again."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import torch
from gpu_cases import FP32, LARGEST_BAR, NMSE_BARS, RELATIVE_BAR, AccuracyCase
from gpu_scan import poisoned_scan
from torch import Tensor

from benchmarks.op_inputs import OpInputs, random_inputs
from benchmarks.plain_chain import scan_routes

Json = dict[str, Any]
# Of the maps that float64 keeps at a time; larger batches go through it in parts.
_REFERENCE_BYTES = 2**32


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
    if out_dtype == FP32:
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
    difference = torch.nan_to_num(y - expected, nan=torch.inf, posinf=torch.inf, neginf=-torch.inf)
    nmse = float((difference.square().sum() / expected.square().sum()).item())
    largest = float((difference.abs() / (1 + expected.abs())).max().item())
    return {"relative": nmse**0.5, "nmse": nmse, "largest": largest}
