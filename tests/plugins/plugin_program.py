"""Running the program that drives the TensorRT plugin as TensorRT does: calls and answers."""

from __future__ import annotations

import subprocess
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


def run_plugin(
    program: Path, inputs: ScanTensors, out_dtype: torch.dtype, folder: Path, seconds: float
) -> Tensor:
    """y [B,H,W,D] on the CPU, of a plugin that was created, serialised, recreated and enqueued.

    Raises:
        PluginError: the program failed.
        NoGpuError: there is no GPU.
        subprocess.TimeoutExpired: it took longer than `seconds`.
    """
    call, answer = folder / "call.bin", folder / "y.bin"
    write_call(call, inputs, out_dtype)
    answer.unlink(missing_ok=True)
    done = subprocess.run(
        [str(program), str(call), str(answer)],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    if done.returncode == NO_GPU:
        raise NoGpuError(done.stderr.strip())
    if done.returncode != 0:
        raise PluginError(f"exit code {done.returncode}: {(done.stdout + done.stderr)[-2000:]}")
    y = torch.frombuffer(bytearray(answer.read_bytes()), dtype=out_dtype)
    return y.view(inputs.x.shape)


def write_call(path: Path, inputs: ScanTensors, out_dtype: torch.dtype) -> None:
    """One call as plugins/tests/support/call_file.h reads it."""
    header = [ONNX_CODES[out_dtype]]
    for tensor in inputs.scan:
        header += [ONNX_CODES[tensor.dtype], tensor.ndim, *tensor.shape]
    parts = [torch.tensor(header), *inputs.scan]
    # Through bytes, for NumPy has no bfloat16.
    raw = [part.cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes() for part in parts]
    path.write_bytes(b"".join(raw))
