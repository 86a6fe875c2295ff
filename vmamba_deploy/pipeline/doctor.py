"""What is installed, what can run here, and the command that brings what is missing.

Looks without importing: torch alone would cost more seconds than all of this.
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from vmamba_deploy.errors import EnvironmentProblem
from vmamba_deploy.extras import install_command
from vmamba_deploy.files import human_size
from vmamba_deploy.native import LIBRARIES, available
from vmamba_deploy.native.cuda import require_cuda
from vmamba_deploy.native.headers import ONNXRUNTIME, OPENVINO, TENSORRT, TORCH, Headers
from vmamba_deploy.native.toolchain import find_host_compiler, require_tool
from vmamba_deploy.runtimes.cuda_driver import find_gpus
from vmamba_deploy.runtimes.registry import RUNTIMES
from vmamba_deploy.runtimes.tensorrt.cuda_device import INSTALL_HINT
from vmamba_deploy.runtimes.tensorrt.flavour import FLAVOURS, TENSORRT_RTX

Level = Literal["ok", "missing", "optional"]

_ENGINE = "TensorRT engine"
_REQUIRED = ("torch", "onnx", "onnxscript", "onnxruntime", "safetensors", "numpy")


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        area: `system`, `python`, `native`, `runtimes`.
        name: of what was looked for.
        level: `missing` keeps the default export from working; `optional` does not.
        detail: version, path or why not.
        remedy: the command that brings it; "" when nothing need be done.
    """

    area: str
    name: str
    level: Level
    detail: str
    remedy: str = ""


def examine() -> list[Finding]:
    """Look at the machine; builds, fetches and writes nothing."""
    return [*_system(), *_packages(), *_native(), *_runtimes()]


def remedy_of(findings: Sequence[Finding]) -> str | None:
    """One command that brings every Python module that is missing; None where none is."""
    missing = [one for one in findings if one.level == "missing"]
    modules = [one.name for one in missing if one.area == "python"]
    modules += [TENSORRT_RTX.name for one in missing if one.name == _ENGINE]
    return install_command(*modules) if modules else None


def _system() -> Iterator[Finding]:

    yield Finding("system", "machine", "ok", f"{platform.machine()}, {os.cpu_count()} CPUs")
    yield Finding("system", "Python", "ok", platform.python_version())
    free = shutil.disk_usage(Path.cwd()).free
    yield Finding("system", "free disk", "ok", f"{human_size(free)} in {Path.cwd()}")
    search = find_gpus()
    found = ", ".join(str(gpu) for gpu in search.gpus)
    yield Finding("system", "GPU", "ok" if found else "optional", found or search.reason)


def _packages() -> Iterator[Finding]:
    for name in _REQUIRED:
        try:
            yield Finding("python", name, "ok", version(name))
        except PackageNotFoundError:
            if find_spec(name) is not None:
                yield Finding("python", name, "ok", "installed by other means")
            else:
                yield Finding("python", name, "missing", "not installed", install_command(name))


def _native() -> Iterator[Finding]:
    yield _tool("C++ compiler", _host_compiler)
    yield _tool("CMake", lambda: str(require_tool("cmake")))
    yield _tool("Ninja", lambda: str(require_tool("ninja")))
    yield _tool("CUDA compiler", _nvcc)
    yield _tool("TensorRT headers", lambda: _headers(TENSORRT))
    yield _tool("ONNX Runtime headers", lambda: _headers(ONNXRUNTIME, "API "))
    yield _tool("PyTorch headers", lambda: _headers(TORCH))
    yield _tool("OpenVINO headers", lambda: _headers(OPENVINO))
    for name, library in LIBRARIES.items():
        ready, reason = available(name)
        remedy = "" if ready else "make native, after the tools above"
        lacking: Level = "missing" if library.is_wanted else "optional"
        yield Finding("native", library.file_name, "ok" if ready else lacking, reason, remedy)


def _tool(name: str, describe: Callable[[], str]) -> Finding:
    """One that a native build may need."""
    try:
        return Finding("native", name, "ok", describe())
    except EnvironmentProblem as problem:
        return Finding("native", name, "optional", problem.message, problem.hint or "")


def _host_compiler() -> str:
    found = find_host_compiler()
    return f"{found.path}: {found.version}"


def _nvcc() -> str:
    found = require_cuda()
    host = found.host_compiler(find_host_compiler())
    return f"{found.nvcc}: {found.version}, with {host.path}"


def _headers(headers: Headers, numbered: str = "") -> str:
    found = headers.find()
    if found is None:
        raise headers.missing("fetched on first use" if headers.can_come else "")
    return f"{found}: {numbered}{headers.version(found)}"


def _cuda_python() -> Finding:
    """Needed to run an engine, not to build one."""

    try:
        return Finding("runtimes", "cuda-python", "ok", f"cuda-core {version('cuda-core')}")
    except PackageNotFoundError:
        detail = "not installed: engines can be built, not run"
        return Finding("runtimes", "cuda-python", "optional", detail, INSTALL_HINT)


def _runtimes() -> Iterator[Finding]:

    yield _cuda_python()
    for kind in RUNTIMES.values():
        for ability in kind.abilities():
            level: Level = "ok" if ability.status.available else "optional"
            yield Finding("runtimes", ability.title, level, ability.status.reason, ability.remedy)
    if not any(flavour.can_build_here().available for flavour in FLAVOURS.values()):
        hint = TENSORRT_RTX.install_hint
        yield Finding("runtimes", _ENGINE, "missing", "nothing can build one", hint)
