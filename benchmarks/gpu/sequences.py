"""The scans of other families on a GPU: sequences of one route or two, beside all four routes.

One row for each call and batch size, in fp16: microseconds of the op alone, the floor that no
implementation goes below, and how many times as long four routes over one x take at the same sizes,
which do two or four times the work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import torch
from torch import Tensor

from benchmarks.c_interface import SelectiveScanDesc, load_native
from benchmarks.gpu.machine import ceilings
from benchmarks.gpu.op import floor_us, raw_call
from benchmarks.launch_plan import limits_at_hand, make_plan
from benchmarks.op_shapes import bytes_moved, special_functions
from benchmarks.timing import (
    Measured,
    gpu_name,
    interleaved,
    machine_text,
    ratio_spread,
    spread,
)
from vmamba_deploy.ops.selective_scan.specification import ALL_ROUTES, ScanDims
from vmamba_deploy.ops.selective_scan.torch_op import selective_scan
from vmamba_deploy.ops.torch_registration import ONNX_CODES
from vmamba_deploy.testing import random_tensors

Json = dict[str, Any]
_ROUNDS, _SECONDS = 10, 0.6
_BATCHES = (128, 1)


def _sequence(length: int, channels: int, state: int, rank: int, **form: Any) -> ScanDims:
    return ScanDims(1, 1, length, channels, state, rank, **form)


_BOTH_WAYS: dict[str, Any] = {"routes": (0, 2), "x_per_route": True}
# Of a block of each network, at 224 x 224 where it sees pictures.
SEQUENCES = {
    "Vim tiny": _sequence(197, 384, 16, 12, **_BOTH_WAYS),
    "Vim small": _sequence(197, 768, 16, 24, **_BOTH_WAYS),
    "Vim tiny, stride 8": _sequence(730, 384, 16, 12, **_BOTH_WAYS),
    "MambaVision-T, 14 x 14": _sequence(196, 160, 8, 20, routes=(0,)),
    "MambaVision-T, 7 x 7": _sequence(49, 320, 8, 40, routes=(0,)),
    "mamba_ssm, 1024 steps": _sequence(1024, 768, 16, 1, routes=(0,), step_per_channel=True),
}
_TINY = {"tiny": _sequence(9, 5, 2, 2, **_BOTH_WAYS)}


def time_sequences(device: str, *, tiny: bool = False) -> Json:
    """One row for each sequence and batch size.

    Args:
        device: `cuda`; `cpu` for a rehearsal, in float32.
        tiny: one small sequence in place of the published ones.
    """
    known = ceilings(device)
    sequences, batches = (_TINY, (2, 1)) if tiny else (SEQUENCES, _BATCHES)
    with torch.inference_mode():
        rows = [
            _timed(device, name, replace(dims, batch=batch), known)
            for batch in batches
            for name, dims in sequences.items()
        ]
    return {
        "schema_version": 1,
        "device": device,
        "gpu": gpu_name(device),
        "machine": machine_text(),
        "dtype": str(_dtype(device)).removeprefix("torch."),
        "ceilings": known,
        "rows": rows,
    }


def _dtype(device: str) -> torch.dtype:
    return torch.float16 if device == "cuda" else torch.float32


def _timed(device: str, name: str, dims: ScanDims, known: Json) -> Json:
    four = replace(dims, routes=ALL_ROUTES, x_per_route=False)
    measured = {
        key: Measured(_call(device, each), device)
        for key, each in (("op_alone", dims), ("four_routes", four))
    }
    times = interleaved(measured, rounds=_ROUNDS, seconds=_SECONDS)
    plan = make_plan(dims, limits_at_hand()) if device == "cuda" else None
    return {
        "sequence": name,
        "batch": dims.batch,
        "dims": asdict(dims),
        "times_us": {
            key: {word: value * 1e3 for word, value in spread(ms).items()}
            for key, ms in times.items()
        },
        "four_routes_over_op": ratio_spread(times["four_routes"], times["op_alone"]),
        "floor_us": floor_us(bytes_moved(dims), special_functions(dims), known),
        "plan": asdict(plan) if plan else None,
    }


def _call(device: str, dims: ScanDims) -> Callable[[], Tensor]:
    """Through the C interface on a GPU, else PyTorch's operator."""
    inputs = random_tensors(dims, _dtype(device), device)
    code = ONNX_CODES[inputs.x.dtype]
    if device != "cuda":
        return lambda: selective_scan(*inputs.scan, dims.routes, code)
    desc = SelectiveScanDesc.of(dims, code, code)
    return raw_call(load_native("vmamba_cuda"), "vmamba_selective_scan_cuda", desc, inputs)
