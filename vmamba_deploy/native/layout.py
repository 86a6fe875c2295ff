"""Where native sources, built libraries and fetched headers lie."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from vmamba_deploy.errors import EnvironmentProblem, UsageError

NATIVE_DIR_VARIABLE = "VMAMBA_NATIVE_DIR"
ARCHS_VARIABLE = "VMAMBA_ARCHS"
DOWNLOADS_VARIABLE = "VMAMBA_ALLOW_DOWNLOADS"
DEFAULT_ARCHS = "80"

_PACKAGE = Path(__file__).resolve().parent.parent
_COMMON_SOURCES = ("CMakeLists.txt", "cmake", "include", "kernels/common")
_KERNELS = ("kernels/cpu", "kernels/cuda")


@dataclass(frozen=True)
class Library:
    """One shared library of the native build, which is also the name of its CMake target."""

    name: str
    sources: tuple[str, ...]  # folders below the native sources, beside the common ones
    cuda: str = "OFF"  # OFF, AUTO (with the CUDA kernel where nvcc is found) or ON (needs nvcc)
    headers: str | None = None  # the key in HEADERS of those that it includes
    package: str | None = None  # the Python package without which nobody wants it

    @property
    def file_name(self) -> str:
        """The file, such as `libvmamba_cpu.so`."""
        return f"lib{self.name}.so"

    @property
    def is_wanted(self) -> bool:
        """Whether this machine has use for it."""
        return self.package is None or find_spec(self.package) is not None


LIBRARIES: dict[str, Library] = {
    library.name: library
    for library in (
        Library("vmamba_cpu", ("kernels/cpu",)),
        Library("vmamba_cuda", ("kernels/cuda",), "ON"),
        Library("vmamba_ort", (*_KERNELS, "onnxruntime"), "AUTO", "ONNXRUNTIME"),
        Library("vmamba_trt", ("kernels/cuda", "tensorrt"), "ON", "TENSORRT"),
        Library("vmamba_torch", (*_KERNELS, "torch"), "AUTO", "TORCH"),
        Library(
            "vmamba_openvino", ("kernels/cpu", "openvino"), headers="OPENVINO", package="openvino"
        ),
    )
}


def library(name: str) -> Library:
    """The library of this name.

    Raises:
        UsageError: there is none.
    """
    if name not in LIBRARIES:
        raise UsageError(
            f"there is no native library {name!r}", hint=f"one of {', '.join(LIBRARIES)}"
        )
    return LIBRARIES[name]


def source_folder() -> Path:
    """The native sources: `plugins` of a checkout, `_plugins` of an installed package.

    Raises:
        EnvironmentProblem: neither is there.
    """
    for folder in (_PACKAGE.parent / "plugins", _PACKAGE / "_plugins"):
        if (folder / "CMakeLists.txt").is_file():
            return folder
    raise EnvironmentProblem(
        f"the native sources are missing beside {_PACKAGE}",
        hint="install the package again, or work from a checkout",
    )


def cache_folder() -> Path:
    """Where builds and fetched headers go: `build` of a checkout, else the user's cache."""
    source = source_folder()
    if source.name == "plugins":
        return source.parent / "build"
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "vmamba_deploy"


def toolchain_folder() -> Path:
    """Where fetched headers go."""
    return cache_folder() / "toolchain"


def downloads_allowed() -> bool:
    """Whether missing headers may be fetched: `VMAMBA_ALLOW_DOWNLOADS` is not 0."""
    return os.environ.get(DOWNLOADS_VARIABLE, "1") != "0"


def sources_of(wanted: Library) -> list[Path]:
    """Every file that the library is made of, sorted."""
    root = source_folder()
    files: set[Path] = set()
    for name in (*_COMMON_SOURCES, *wanted.sources):
        path = root / name
        if path.is_file():
            files.add(path)
        files.update(file for file in path.rglob("*") if file.is_file())
    return sorted(files)


def build_key(wanted: Library, settings: Iterable[str]) -> str:
    """A hash of the library's sources and of what they are built with."""
    root = source_folder()
    digest = hashlib.sha256()
    for setting in settings:
        digest.update(f"{setting}\n".encode())
    for file in sources_of(wanted):
        digest.update(f"{file.relative_to(root).as_posix()}\n".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]
