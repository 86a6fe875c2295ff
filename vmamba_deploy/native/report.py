"""What a native build finds on this machine, for `vmamba-deploy doctor`."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from vmamba_deploy.errors import EnvironmentProblem
from vmamba_deploy.native import cuda, headers, toolchain
from vmamba_deploy.native.layout import downloads_allowed


class ToolchainItem(NamedTuple):
    """One tool or set of headers; `remedy` is "" when nothing need be done."""

    name: str
    found: bool
    detail: str
    remedy: str


def toolchain_report() -> list[ToolchainItem]:
    """The state of every tool that a native build may need; builds and fetches nothing."""
    return [
        _item("C++ compiler", _host_compiler, "apt-get install build-essential", fetched=False),
        _item("CMake", lambda: _tool("cmake"), "pip install cmake"),
        _item("Ninja", lambda: _tool("ninja"), "pip install ninja"),
        _item("CUDA compiler", _nvcc, f"pip install {' '.join(cuda.CUDA_PACKAGES)}"),
        _item("TensorRT headers", _tensorrt, "set TENSORRT_INCLUDE_DIR"),
        _item("ONNX Runtime headers", _onnxruntime, "set ONNXRUNTIME_INCLUDE_DIR"),
        _item("PyTorch headers", _torch, "pip install torch", fetched=False),
    ]


def _item(
    name: str, find: Callable[[], str | None], remedy: str, *, fetched: bool = True
) -> ToolchainItem:
    try:
        detail = find()
    except EnvironmentProblem as problem:
        return ToolchainItem(name, False, problem.message, problem.hint or remedy)
    if detail is not None:
        return ToolchainItem(name, True, detail, "")
    later = "not found" + (", fetched on first use" if fetched and downloads_allowed() else "")
    return ToolchainItem(name, False, later, remedy)


def _host_compiler() -> str:
    found = toolchain.find_host_compiler()
    return f"{found.path}: {found.version}"


def _tool(name: str) -> str | None:
    found = toolchain.find_tool(name)
    return str(found) if found else None


def _nvcc() -> str | None:
    found = cuda.find_cuda()
    if found is None:
        return None
    host = found.host_compiler(toolchain.find_host_compiler())
    return f"{found.nvcc}: {found.version}, with {host.path}"


def _tensorrt() -> str | None:
    found = headers.tensorrt_headers().find()
    return f"{found}: {headers.tensorrt_version(found)}" if found else None


def _torch() -> str | None:
    found = headers.torch_headers().find()
    return f"{found}: {headers.torch_version(found)}" if found else None


def _onnxruntime() -> str | None:
    found = headers.onnxruntime_headers().find()
    return f"{found}: API {headers.onnxruntime_api_version(found)}" if found else None
