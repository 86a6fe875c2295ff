"""The kernels for the GPU at hand: by CMake where there is one, by nvcc alone where not."""

from __future__ import annotations

import time

import torch

from benchmarks.gpu_check.context import Json, StageContext
from benchmarks.gpu_check.direct_build import build_directly
from vmamba_deploy import native
from vmamba_deploy.native import toolchain
from vmamba_deploy.native.layout import ARCHS_VARIABLE, NATIVE_DIR_VARIABLE


def run(context: StageContext) -> Json:
    """Build the library of the device; later stages get the variables in `environment`."""
    name = "vmamba_cpu" if context.rehearsal else "vmamba_cuda"
    archs = "80" if context.rehearsal else _architecture()
    with_cmake = all(toolchain.find_tool(tool) is not None for tool in ("cmake", "ninja"))
    start = time.monotonic()
    if with_cmake:
        path = native.build([name], archs=archs)[name]
        environment = {ARCHS_VARIABLE: archs}
    else:
        folder = context.folder / "native"
        path = build_directly(name, folder, archs)
        environment = {NATIVE_DIR_VARIABLE: str(folder)}
    return {
        "library": str(path),
        "architectures": archs,
        "with": "CMake" if with_cmake else "the compilers alone",
        "seconds": round(time.monotonic() - start, 1),
        "size_bytes": path.stat().st_size,
        "environment": environment,
    }


def _architecture() -> str:
    major, minor = torch.cuda.get_device_capability(0)
    return f"{major}{minor}"
