"""What a native build finds on this machine, for `vmamba-deploy doctor`."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from vmamba_deploy.errors import EnvironmentProblem
from vmamba_deploy.native import cuda, toolchain
from vmamba_deploy.native.headers import ONNXRUNTIME, TENSORRT, TORCH, Headers


class ToolchainItem(NamedTuple):
    """One tool or set of headers; `remedy` is "" when nothing need be done."""

    name: str
    found: bool
    detail: str
    remedy: str


def toolchain_report() -> list[ToolchainItem]:
    """The state of every tool that a native build may need; builds and fetches nothing."""
    return [
        _item("C++ compiler", _host_compiler),
        _item("CMake", lambda: str(toolchain.require_tool("cmake"))),
        _item("Ninja", lambda: str(toolchain.require_tool("ninja"))),
        _item("CUDA compiler", _nvcc),
        _item("TensorRT headers", lambda: _headers(TENSORRT)),
        _item("ONNX Runtime headers", lambda: _headers(ONNXRUNTIME, "API ")),
        _item("PyTorch headers", lambda: _headers(TORCH)),
    ]


def _item(name: str, describe: Callable[[], str]) -> ToolchainItem:
    try:
        return ToolchainItem(name, True, describe(), "")
    except EnvironmentProblem as problem:
        return ToolchainItem(name, False, problem.message, problem.hint or "")


def _host_compiler() -> str:
    found = toolchain.find_host_compiler()
    return f"{found.path}: {found.version}"


def _nvcc() -> str:
    found = cuda.require_cuda()
    host = found.host_compiler(toolchain.find_host_compiler())
    return f"{found.nvcc}: {found.version}, with {host.path}"


def _headers(headers: Headers, numbered: str = "") -> str:
    found = headers.find()
    if found is None:
        raise headers.missing("fetched on first use" if headers.can_come else "")
    return f"{found}: {numbered}{headers.version(found)}"
