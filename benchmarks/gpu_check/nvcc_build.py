"""What nvcc alone builds: libvmamba_cuda.so where CMake is missing, and the plugin's harness.

What is compiled and with which options follows plugins/kernels/cuda/CMakeLists.txt.
"""

from __future__ import annotations

import os
from pathlib import Path

from vmamba_deploy.native import cuda, toolchain
from vmamba_deploy.native.layout import build_key, library, source_folder
from vmamba_deploy.native.processes import output_of

NAME = "vmamba_cuda"
HARNESS_NAME = "plugin_harness"
_HOST_FLAGS = "-fPIC,-fvisibility=hidden"


def build_with_nvcc(folder: Path, archs: str) -> Path:
    """Compile the kernels into `folder`, unless the same are there already.

    Args:
        folder: where libvmamba_cuda.so goes.
        archs: CUDA architectures, such as `90` or `80;90`.

    Raises:
        EnvironmentProblem: there is no compiler, or it refuses the sources.
    """
    toolkit, host = cuda.require_cuda(), toolchain.find_host_compiler()
    output = folder / library(NAME).file_name
    key = build_key(library(NAME), [NAME, toolkit.version, host.version, archs])
    stamp = folder / f"{NAME}.key"
    if output.is_file() and stamp.is_file() and stamp.read_text() == key:
        return output
    folder.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f".{output.name}.{os.getpid()}")
    output_of([*_command(toolkit, host, archs), "-o", partial])
    partial.replace(output)
    stamp.write_text(key)
    return output


def _command(
    toolkit: cuda.CudaToolkit, host: toolchain.HostCompiler, archs: str
) -> list[str | Path]:
    root = source_folder()
    kernels = root / "kernels"
    sources = [
        path
        for part in ("cuda", "common")
        for path in sorted((kernels / part).rglob("*"))
        if path.suffix in (".cpp", ".cu")
    ]
    command: list[str | Path] = [toolkit.nvcc, "-ccbin", toolkit.host_compiler(host).path]
    command += [f"-gencode=arch=compute_{arch},code=sm_{arch}" for arch in archs.split(";")]
    command += ["-shared", "-cudart", "static", "-std=c++17", "-O3", "-DNDEBUG", "--threads=0"]
    command += [f"-Xcompiler={_HOST_FLAGS}", f"-I{root / 'include'}", f"-I{kernels}"]
    exports = kernels / "cuda" / "exports.map"
    for flag in (f"--version-script={exports}", "--gc-sections", "--no-undefined"):
        command.append(f"-Xlinker={flag}")
    return [*command, *sources]


def build_plugin_harness(
    folder: Path, kernels: Path, headers: Path, rpath: str | None = None
) -> Path:
    """The program that drives the TensorRT plugin through IPluginV3, with no TensorRT library.

    It is linked from plugins/tests/plugin_harness, the plugin's sources and the kernels' library.

    Args:
        folder: where the program goes.
        kernels: libvmamba_cuda.so.
        headers: the folder of NvInferRuntime.h.
        rpath: where the program looks for the library; by default where it lies now.

    Raises:
        EnvironmentProblem: there is no nvcc, or it refuses the sources.
    """
    toolkit, root = cuda.require_cuda(), source_folder()
    program = folder / HARNESS_NAME
    sources = [*(root / "tests/plugin_harness").glob("*.cpp"), *(root / "tensorrt").glob("*.cpp")]
    includes = [root / name for name in ("include", "kernels", "tensorrt", "tests")]
    compiler = toolkit.host_compiler(toolchain.find_host_compiler()).path
    command: list[str | Path] = [toolkit.nvcc, "-ccbin", compiler, "-std=c++17", "-O2"]
    command += [f"-I{include}" for include in includes] + ["-isystem", headers]
    folder.mkdir(parents=True, exist_ok=True)
    command += [*sorted(sources), kernels, f"-Xlinker=-rpath={rpath or kernels.parent}"]
    output_of([*command, "-o", program])
    return program
