"""What nvcc alone builds where CMake is missing: the CUDA libraries, and the plugin's harness.

What is compiled and with which options follows plugins/kernels/cuda and plugins/torch.
"""

from __future__ import annotations

import os
from pathlib import Path

from vmamba_deploy.native import cuda, toolchain
from vmamba_deploy.native.headers import TORCH
from vmamba_deploy.native.layout import build_key, library, source_folder
from vmamba_deploy.native.processes import output_of

NAMES = ("vmamba_cuda", "vmamba_torch")
HARNESS_NAME = "plugin_harness"
ADAPTER_SOURCES = ("signature.cpp", "scan_op.cpp", "roi_align_op.cpp")
_HOST_FLAGS = "-fPIC,-fvisibility=hidden"


def build_with_nvcc(folder: Path, archs: str) -> Path:
    """Fill `folder` with the kernels behind the C interface and behind PyTorch's operator.

    The operator gets no kernel for the CPU. What is there already from the same sources stays.

    Args:
        archs: CUDA architectures, such as `90` or `80;90`.

    Raises:
        EnvironmentProblem: there is no compiler, it refuses the sources, or PyTorch is too old.
    """
    toolkit, host, torch = cuda.require_cuda(), toolchain.find_host_compiler(), TORCH.require()
    folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        output, stamp = folder / library(name).file_name, folder / f"{name}.key"
        settings = [name, toolkit.version, host.version, archs, str(torch)]
        key = build_key(library(name), settings)
        if output.is_file() and stamp.is_file() and stamp.read_text() == key:
            continue
        partial = output.with_name(f".{output.name}.{os.getpid()}")
        command = _command(toolkit, host, archs)
        command += _torch_adapter(torch) if name == "vmamba_torch" else _exports("kernels/cuda")
        output_of([*command, "-o", partial])
        partial.replace(output)
        stamp.write_text(key)
    return folder


def _command(
    toolkit: cuda.CudaToolkit, host: toolchain.HostCompiler, archs: str
) -> list[str | Path]:
    kernels = source_folder() / "kernels"
    sources = [
        path
        for part in ("cuda", "common")
        for path in sorted((kernels / part).rglob("*"))
        if path.suffix in (".cpp", ".cu")
    ]
    command: list[str | Path] = [toolkit.nvcc, "-ccbin", toolkit.host_compiler(host).path]
    command += [f"-gencode=arch=compute_{arch},code=sm_{arch}" for arch in archs.split(";")]
    command += ["-shared", "-cudart", "static", "-std=c++17", "-O3", "-DNDEBUG", "--threads=0"]
    command += [f"-Xcompiler={_HOST_FLAGS}", f"-I{source_folder() / 'include'}", f"-I{kernels}"]
    command += [f"-Xlinker={flag}" for flag in ("--gc-sections", "--no-undefined")]
    return [*command, *sources]


def _exports(part: str) -> list[str | Path]:
    return [f"-Xlinker=--version-script={source_folder() / part / 'exports.map'}"]


def _torch_adapter(include: Path) -> list[str | Path]:
    definitions = ("VMAMBA_TORCH_CUDA", "VMAMBA_TORCH_CUDA_ALONE")
    return [
        *(f"-D{name}" for name in (*definitions, "TORCH_TARGET_VERSION=0x020A000000000000")),
        *("-isystem", include, *sorted((source_folder() / "torch").glob("*.cpp"))),
        *(include.parent / "lib/libtorch_cpu.so", "-ldl", *_exports("torch")),
    ]


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
    sources += (root / "kernels/common" / name for name in ADAPTER_SOURCES)
    includes = [root / name for name in ("include", "kernels", "tensorrt", "tests")]
    compiler = toolkit.host_compiler(toolchain.find_host_compiler()).path
    command: list[str | Path] = [toolkit.nvcc, "-ccbin", compiler, "-std=c++17", "-O2"]
    command += [f"-I{include}" for include in includes] + ["-isystem", headers]
    folder.mkdir(parents=True, exist_ok=True)
    command += [*sorted(sources), kernels, f"-Xlinker=-rpath={rpath or kernels.parent}"]
    output_of([*command, "-o", program])
    return program
