"""Running the program that drives the TensorRT plugin as TensorRT does: calls and answers."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vmamba_deploy.ops.torch_registration import ONNX_CODES
from vmamba_deploy.testing import ScanTensors

NO_GPU = 77  # its exit code


class PluginError(AssertionError):
    """The program found something wrong with the plugin; the text is what it printed."""


class NoGpuError(Exception):
    """The program was built and finds no GPU."""


@dataclass(frozen=True)
class PluginCall:
    """A node of a plugin of ours.

    Attributes:
        plugin: its name.
        inputs: in the order of the node.
        attributes: the values of each, in the order of the plugin's fields, without out_dtype, the
            last one.
        shape: of y.
    """

    plugin: str
    inputs: Sequence[Tensor]
    out_dtype: torch.dtype
    shape: Sequence[int]
    attributes: Sequence[Sequence[int]] = ()


def scan_call(
    inputs: ScanTensors, out_dtype: torch.dtype, routes: Sequence[int] | None = None
) -> PluginCall:
    """A call of SelectiveScan2D, or of SelectiveScan along the routes."""
    shape = inputs.x.shape[-4:]
    if routes is None:
        return PluginCall("SelectiveScan2D", inputs.scan, out_dtype, shape)
    return PluginCall("SelectiveScan", inputs.scan, out_dtype, shape, (routes,))


def run_plugin(program: Path, call: PluginCall, folder: Path, seconds: float) -> Tensor:
    """y on the CPU, of a plugin that was created, serialised, recreated and enqueued.

    Raises:
        PluginError: the program failed.
        NoGpuError: there is no GPU.
        subprocess.TimeoutExpired: it took longer than `seconds`.
    """
    file, answer = folder / "call.bin", folder / "y.bin"
    write_call(file, call)
    answer.unlink(missing_ok=True)
    done = subprocess.run(
        [str(program), call.plugin, str(file), str(answer)],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    if done.returncode == NO_GPU:
        raise NoGpuError(done.stderr.strip())
    if done.returncode != 0:
        raise PluginError(f"exit code {done.returncode}: {(done.stdout + done.stderr)[-2000:]}")
    y = torch.frombuffer(bytearray(answer.read_bytes()), dtype=call.out_dtype)
    return y.view(*call.shape)


def write_call(path: Path, call: PluginCall) -> None:
    """One call as plugins/tests/support/call_file.h reads it."""
    attributes = [*call.attributes, [ONNX_CODES[call.out_dtype]]]
    header = [number for values in attributes for number in (len(values), *values)]
    for tensor in call.inputs:
        header += [ONNX_CODES[tensor.dtype], tensor.ndim, *tensor.shape]
    parts = [torch.tensor(header), *call.inputs]
    # Through bytes, for NumPy has no bfloat16.
    raw = [part.cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes() for part in parts]
    path.write_bytes(b"".join(raw))
