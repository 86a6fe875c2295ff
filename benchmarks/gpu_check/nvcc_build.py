"""The plugin's harness, built by nvcc alone: it may be built where CMake is missing."""

from __future__ import annotations

from pathlib import Path

from vmamba_deploy.native import cuda, toolchain
from vmamba_deploy.native.layout import source_folder
from vmamba_deploy.native.processes import output_of

HARNESS_NAME = "plugin_harness"


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
    sources.append(root / "kernels/common/signature.cpp")
    includes = [root / name for name in ("include", "kernels", "tensorrt", "tests")]
    compiler = toolkit.host_compiler(toolchain.find_host_compiler()).path
    command: list[str | Path] = [toolkit.nvcc, "-ccbin", compiler, "-std=c++17", "-O2"]
    command += [f"-I{include}" for include in includes] + ["-isystem", headers]
    folder.mkdir(parents=True, exist_ok=True)
    command += [*sorted(sources), kernels, f"-Xlinker=-rpath={rpath or kernels.parent}"]
    output_of([*command, "-o", program])
    return program
