"""The op on a device against float64, over poisoned memory, and bit for bit again."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import torch
from gpu_cases import FP32, AccuracyCase
from gpu_scan import poisoned_scan
from torch import Tensor

from benchmarks.plain_chain import scan_routes
from vmamba_deploy.ops.torch_registration import ONNX_CODES
from vmamba_deploy.testing import LARGEST_LIMIT, ScanTensors, errors_of, nmse_limit, random_tensors

Json = dict[str, Any]
RELATIVE_LIMIT = 1e-5  # of the norm, asked of float32 alone
# Of the maps that float64 keeps at a time; larger batches go through it in parts.
_REFERENCE_BYTES = 2**32


def judged(case: AccuracyCase, dtypes: tuple[torch.dtype, torch.dtype], device: str) -> Json:
    """The errors of one case, and whether they pass.

    `equal_bits`: whether a second run, with the images moved on by one place of the batch, gives
    every image the bits that it had.
    """
    in_dtype, out_dtype = dtypes
    inputs = random_tensors(case.dims, in_dtype, device, seed=case.dims.length)
    rolled = replace(inputs, x=inputs.x.roll(1, -4), proj=inputs.proj.roll(1, -4))
    y = poisoned_scan(_placed(inputs, case.offset), out_dtype)
    again = poisoned_scan(_placed(rolled, case.offset), out_dtype)
    equal_bits = torch.equal(again.roll(-1, 0), y)
    expected = expected_result(inputs)
    errors = errors_of(y, expected)
    passed = errors.nmse <= nmse_limit(expected, ONNX_CODES[out_dtype]) and equal_bits
    if out_dtype == FP32:
        passed = passed and errors.nmse**0.5 <= RELATIVE_LIMIT and errors.largest <= LARGEST_LIMIT
    return {
        "kind": case.kind,
        "dims": asdict(case.dims),
        "x": str(in_dtype).removeprefix("torch."),
        "y": str(out_dtype).removeprefix("torch."),
        "relative": errors.nmse**0.5,
        **asdict(errors),
        "equal_bits": equal_bits,
        "passed": passed,
    }


def _placed(inputs: ScanTensors, offset: int) -> ScanTensors:
    """The same values, with x and proj `offset` elements behind the start of their memory."""
    if offset == 0:
        return inputs
    return replace(inputs, x=_moved(inputs.x, offset), proj=_moved(inputs.proj, offset))


def _moved(values: Tensor, offset: int) -> Tensor:
    memory = torch.empty(values.numel() + offset, dtype=values.dtype, device=values.device)
    memory[offset:] = values.flatten()
    return memory[offset:].view(values.shape)


def expected_result(inputs: ScanTensors) -> Tensor:
    """y [B,H,W,D] in float64 from the already rounded inputs."""
    dims = inputs.dims
    x, proj, *parameters = inputs.as_float64()
    if not dims.x_per_route:
        proj = proj.unflatten(-1, (len(dims.routes), -1))
    image_bytes = 12 * len(dims.routes) * 8 * dims.length * dims.channels
    images, axis = max(1, _REFERENCE_BYTES // image_bytes), 1 if dims.x_per_route else 0
    parts = zip(x.split(images, axis), proj.split(images, axis), strict=True)
    return torch.cat([scan_routes(*part, *parameters, routes=dims.routes) for part in parts])
