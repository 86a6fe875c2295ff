"""The op with its x_proj product on a GPU, beside the reference chain and each shape's floor."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.c_interface import (
    NativeLibrary,
    ScanArgs,
    ScanDesc,
    SelectiveScanDesc,
    load_native,
)
from benchmarks.gpu.machine import ceilings
from benchmarks.launch_plan import limits_at_hand, make_plan
from benchmarks.op_shapes import BATCHES, OP_SHAPES, OpShape, bytes_moved, special_functions
from benchmarks.timing import (
    Measured,
    gpu_name,
    interleaved,
    machine_text,
    ratio_spread,
    spread,
)
from vmamba_deploy.errors import EnvironmentProblem
from vmamba_deploy.ops.selective_scan_2d.torch_op import selective_scan_2d
from vmamba_deploy.ops.torch_registration import ONNX_CODES
from vmamba_deploy.testing import ScanTensors, random_tensors

Json = dict[str, Any]
_ROUNDS, _SECONDS = 15, 1.2
# What another build must have: not what came later.
_CALLED = ("vmamba_scan_cuda", "vmamba_scan_cuda_workspace")
_TINY = (OpShape(4, 8, 1, 2), OpShape(3, 8, 4, 2))


def time_op(device: str, *, tiny: bool = False, previous: Path | None = None) -> Json:
    """One row for each judged shape and batch size, fp16 in and out.

    Args:
        device: `cuda`; `cpu` for a rehearsal, in float32 and without the reference chain.
        tiny: two small shapes in place of the judged ones.
        previous: another libvmamba_cuda.so, timed beside this one.
    """
    known = ceilings(device)
    # As the public scripts have it: cuDNN takes its fastest way for the chain's projections.
    torch.backends.cudnn.benchmark = True
    shapes, batches = (_TINY, (2, 1)) if tiny else (OP_SHAPES, BATCHES)
    with torch.inference_mode():
        rows = [
            OpRow(device, shape, batch, previous).timed(known)
            for batch in batches
            for shape in shapes
        ]
    return {
        "schema_version": 2,
        "device": device,
        "gpu": gpu_name(device),
        "machine": machine_text(),
        "dtype": "float16" if device == "cuda" else "float32",
        "ceilings": known,
        "rows": rows,
    }


class OpRow:
    """One shape at one batch size: the calls that take turns."""

    def __init__(self, device: str, shape: OpShape, batch: int, previous: Path | None) -> None:
        self.device, self.shape, self.batch = device, shape, batch
        self.on_gpu = device == "cuda"
        dtype = torch.float16 if self.on_gpu else torch.float32
        self.inputs = random_tensors(shape.dims(batch), dtype, device)
        self.absent: dict[str, str] = {}
        self.calls: dict[str, Callable[[], object]] = {
            "ours": self.ours,
            "x_proj_alone": lambda: F.linear(self.inputs.x, self.inputs.x_proj),
        }
        if not self.on_gpu:
            self.absent["chain"] = "the reference chain needs a GPU"
            return
        self.calls["op_alone"] = raw_scan(load_native("vmamba_cuda"), self.inputs)
        if previous is not None:
            library = NativeLibrary(previous, "vmamba_cuda", _CALLED)
            self.calls["previous_op_alone"] = raw_scan(library, self.inputs)
        self._enter_chain()

    def ours(self) -> Tensor:
        """x_proj and the op: the work of the chain."""
        x = self.inputs.x
        proj = F.linear(x, self.inputs.x_proj)
        return selective_scan_2d(x, proj, *self.inputs.parameters, ONNX_CODES[x.dtype])

    def timed(self, known: Json) -> Json:
        """Times of all, the ratios within each round, the floor and the plan of the launch."""
        measured = {name: Measured(call, self.device) for name, call in self.calls.items()}
        times = interleaved(measured, rounds=_ROUNDS, seconds=_SECONDS)
        ratios = {
            f"{name}_over_{own}": ratio_spread(times[name], times[own])
            for name, own in (("chain", "ours"), ("previous_op_alone", "op_alone"))
            if name in times
        }
        dims = self.shape.dims(self.batch)
        plan = make_plan(dims, limits_at_hand()) if self.on_gpu else None
        return {
            "shape": self.shape.name,
            "batch": self.batch,
            "times_us": {
                name: {key: value * 1e3 for key, value in spread(ms).items()}
                for name, ms in times.items()
            },
            "rounds": len(times["ours"]),
            **ratios,
            "floor_us": floor_us(bytes_moved(dims), special_functions(dims), known),
            "plan": asdict(plan) if plan else None,
            "absent": self.absent,
        }

    def _enter_chain(self) -> None:
        from benchmarks.triton_chain import ChainParameters, triton_chain

        # The public chain works channels first.
        x = self.inputs.x.permute(0, 3, 1, 2).contiguous()
        parameters = ChainParameters.from_op(self.inputs.x_proj, *self.inputs.parameters)
        try:
            triton_chain(x, parameters)
        except EnvironmentProblem as problem:
            self.absent["chain"] = problem.message
            return
        self.calls["chain"] = lambda: triton_chain(x, parameters)


def raw_scan(library: NativeLibrary, inputs: ScanTensors) -> Callable[[], Tensor]:
    """SelectiveScan2D through the C interface, y in the dtype of x."""
    x = inputs.x
    desc = ScanDesc(
        *x.shape, inputs.a.shape[1], inputs.dt_weight.shape[1], *[ONNX_CODES[x.dtype]] * 2
    )
    return raw_call(library, "vmamba_scan_cuda", desc, inputs)


def raw_call(
    library: NativeLibrary, entry: str, desc: ScanDesc | SelectiveScanDesc, inputs: ScanTensors
) -> Callable[[], Tensor]:
    """A call of the C interface, its result (in the dtype of x) and workspace allocated once."""
    x = inputs.x
    needed = ctypes.c_size_t()
    library.check(library.function(f"{entry}_workspace")(desc, needed))
    y = torch.empty(x.shape[-4:], dtype=x.dtype, device=x.device)
    workspace = torch.empty(needed.value, dtype=torch.uint8, device=x.device)
    args = ScanArgs(*(tensor.data_ptr() for tensor in inputs.scan), y.data_ptr())
    launch = library.function(entry)

    def call() -> Tensor:
        stream = torch.cuda.current_stream().cuda_stream
        library.check(launch(desc, args, workspace.data_ptr(), needed, stream))
        return y

    return call


def floor_us(bytes_moved: int, special_functions: int, known: Json) -> Json:
    """Microseconds that no implementation goes below: bytes moved, special functions; the larger.

    Bytes at the rate of a copy measured in the same run.
    """
    moved = bytes_moved / known["copy_bytes_per_s"] * 1e6
    rate = known["special_functions_per_s"]
    special = special_functions / rate * 1e6 if rate else None
    return {"bytes": moved, "special_functions": special, "larger": max(moved, special or 0.0)}
