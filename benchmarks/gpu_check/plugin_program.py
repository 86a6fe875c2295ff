"""The program that drives the TensorRT plugin as TensorRT does, built with no TensorRT library.

It is linked from plugins/tests/plugin_harness, the plugin's sources and the kernels' library; from
TensorRT it needs a few headers alone.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.gpu_check.native_scan import ONNX_CODES
from benchmarks.op_inputs import OpInputs
from vmamba_deploy.errors import BuildError
from vmamba_deploy.native import cuda, toolchain
from vmamba_deploy.native.layout import source_folder
from vmamba_deploy.native.processes import telling_lines

NO_GPU = 77  # its exit code


class PluginError(AssertionError):
    """The program found something wrong with the plugin; the text is what it printed."""


class NoGpuError(Exception):
    """The program was built and finds no GPU."""


def build_program(folder: Path, kernels: Path, headers: Path) -> Path:
    """Compile and link it with nvcc.

    Args:
        folder: where the program goes.
        kernels: libvmamba_cuda.so.
        headers: the folder of NvInferRuntime.h.

    Raises:
        EnvironmentProblem: there is no nvcc.
        BuildError: it does not compile.
    """
    toolkit, root = cuda.require_cuda(), source_folder()
    program = folder / "plugin_harness"
    sources = [*(root / "tests/plugin_harness").glob("*.cpp"), *(root / "tensorrt").glob("*.cpp")]
    includes = [root / name for name in ("include", "kernels", "tensorrt", "tests")]
    compiler = toolkit.host_compiler(toolchain.find_host_compiler()).path
    command = [str(toolkit.nvcc), "-ccbin", str(compiler), "-std=c++17", "-O2"]
    command += [f"-I{include}" for include in includes] + ["-isystem", str(headers)]
    command += [*map(str, sorted(sources)), str(kernels), "-o", str(program)]
    command += ["-Xlinker", f"-rpath={kernels.parent}"]
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(f"{' '.join(command)}\n{telling_lines(done.stdout + done.stderr)}")
    return program


def run_plugin(
    program: Path, inputs: OpInputs, out_dtype: torch.dtype, folder: Path, seconds: float
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


def write_call(path: Path, inputs: OpInputs, out_dtype: torch.dtype) -> None:
    """One call as plugins/tests/support/call_file.h reads it."""
    header = [ONNX_CODES[out_dtype]]
    for tensor in inputs.scan:
        header += [ONNX_CODES[tensor.dtype], tensor.ndim, *tensor.shape]
    parts = [torch.tensor(header), *inputs.scan]
    # Through bytes, for NumPy has no bfloat16.
    raw = [part.cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes() for part in parts]
    path.write_bytes(b"".join(raw))
