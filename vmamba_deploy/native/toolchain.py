"""The C++ compiler, CMake and Ninja."""

from __future__ import annotations

import os
import re
import shutil
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from vmamba_deploy.errors import EnvironmentProblem
from vmamba_deploy.native.processes import output_of

CMAKE_AT_LEAST = (3, 22)  # of Ubuntu 22.04 and JetPack 6
_COMPILER_HINT = "apt-get install build-essential, or name a C++17 compiler in CXX"


@dataclass(frozen=True)
class HostCompiler:
    """A C++ compiler and what it says it is."""

    path: Path
    version: str  # the first line of `--version`
    gcc_major: int | None  # None: not GCC


@cache
def _describe_compiler(path: Path) -> HostCompiler:
    version, *_ = output_of([path, "--version"]).splitlines() or [""]
    if not version.isprintable() or not version:
        raise EnvironmentProblem(f"{path} does not say which compiler it is", hint=_COMPILER_HINT)
    if "clang" in version.lower():
        return HostCompiler(path, version, None)
    major = output_of([path, "-dumpversion"]).split(".")[0].strip()
    return HostCompiler(path, version, int(major) if major.isdigit() else None)


def find_host_compiler() -> HostCompiler:
    """The compiler in CXX, else g++, c++ or clang++ of PATH.

    Raises:
        EnvironmentProblem: there is none.
    """
    wished = os.environ.get("CXX")
    for name in [wished] if wished else ["g++", "c++", "clang++"]:
        found = shutil.which(name)
        if found:
            return _describe_compiler(Path(found))
    missing = f"CXX names {wished!r}, which cannot be run" if wished else "no C++ compiler found"
    raise EnvironmentProblem(missing, hint=_COMPILER_HINT)


def find_gcc(at_most: int) -> HostCompiler | None:
    """The newest `g++-N` of PATH with N no newer than `at_most`."""
    for major in range(at_most, 8, -1):
        found = shutil.which(f"g++-{major}")
        if found:
            return _describe_compiler(Path(found))
    return None


def require_tool(name: str) -> Path:
    """`cmake` or `ninja`: beside this Python, else on PATH.

    Raises:
        EnvironmentProblem: there is none.
    """
    for path in (Path(sys.executable).parent / name, Path(shutil.which(name) or "/nonexistent")):
        if os.access(path, os.X_OK) and path.is_file() and _is_recent(name, path):
            return path
    major, minor = CMAKE_AT_LEAST
    raise EnvironmentProblem(
        f"no {name} found" + (f" of version {major}.{minor} or newer" if name == "cmake" else ""),
        hint="pip install cmake ninja, or apt-get install cmake ninja-build",
    )


@cache
def _is_recent(name: str, path: Path) -> bool:
    if name != "cmake":
        return True
    try:
        found = re.search(r"version (\d+)\.(\d+)", output_of([path, "--version"]))
    except EnvironmentProblem:  # a pip launcher whose package is gone
        return False
    return found is not None and (int(found[1]), int(found[2])) >= CMAKE_AT_LEAST
