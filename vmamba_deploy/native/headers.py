"""The headers that libraries are compiled with: where they may lie, and how missing ones come."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from vmamba_deploy.errors import EnvironmentProblem, IntegrityError
from vmamba_deploy.native.fetch import debian_packages, known_file, pip_packages
from vmamba_deploy.native.layout import downloads_allowed, toolchain_folder

# No wheel of NVIDIA's has TensorRT's headers; this package carries its Apache-licensed ones of
# 10.14. It wants triton, of no use here, and so is no requirement: it is unpacked in a folder of
# its own, and known by its headers' content.
TENSORRT_PACKAGE = "kernel-lens==2.0.1"
TENSORRT_HEADER_SHA256 = "7476a417a8f4befd865e043fc956f8583e537c74faa29c2305c5ef9f898bd9b4"
_KERNEL_LENS = Path("kernel_lens/include/tensorrt")
# Of ONNX Runtime one header is needed: as Debian packages it, else as its makers publish it.
ONNXRUNTIME_PACKAGE, ONNXRUNTIME_SUITE = "libonnxruntime-dev", "trixie"
ONNXRUNTIME_HEADER_URL = (
    "https://raw.githubusercontent.com/microsoft/onnxruntime/v1.21.0"
    "/include/onnxruntime/core/session/onnxruntime_c_api.h"
)
ONNXRUNTIME_HEADER_SHA256 = "7783e9664bdb0b1b36145b5c8587dd1bc9a399aa000edf2e3dd03003cafc6882"
_SYSTEM_INCLUDES = (Path("/usr/include"), Path("/usr/local/include"))


@dataclass(frozen=True)
class Headers:
    """One maker's headers.

    Attributes:
        title: whose.
        main_header: a file by which their folder is known.
        name: in CMake: VMAMBA_<name> builds what needs them, <name>_INCLUDE_DIR, which the
            environment may also set, is their folder.
        usual_folders: where they may be.
        version_header: the file with their version.
        version_macros: what defines its parts, as regular expressions.
        fetch: brings them; None where nothing but their maker's own package does.
        extra: of this package, which brings that one.
    """

    title: str
    main_header: str
    name: str
    usual_folders: Callable[[], Iterator[Path]]
    version_header: str
    version_macros: tuple[str, ...]
    fetch: Callable[[], None] | None = None
    extra: str | None = None

    @property
    def variable(self) -> str:
        """The variable that names their folder."""
        return f"{self.name}_INCLUDE_DIR"

    def find(self) -> Path | None:
        """The folder named by the variable, else the first usual one that has the header.

        Raises:
            EnvironmentProblem: the variable names a folder without it.
        """
        named = os.environ.get(self.variable)
        if named and not (Path(named) / self.main_header).is_file():
            raise EnvironmentProblem(
                f"{self.variable} names {named}, which has no {self.main_header}"
            )
        for folder in [Path(named)] if named else self.usual_folders():
            if (folder / self.main_header).is_file():
                return folder
        return None

    def require(self) -> Path:
        """As `find`, fetching them where that is possible and allowed.

        Raises:
            EnvironmentProblem: not found and not to be had.
            IntegrityError: what was fetched is not what is known.
        """
        found = self.find()
        if found is None and self.can_come:
            assert self.fetch is not None
            self.fetch()
            found = self.find()
        if found is None:
            raise self.missing()
        return found

    @property
    def can_come(self) -> bool:
        """Whether `require` fetches them where they are missing."""
        return self.fetch is not None and downloads_allowed()

    def missing(self, reason: str = "") -> EnvironmentProblem:
        """The error that says how to bring them."""
        return EnvironmentProblem(
            f"the headers of {self.title} were not found{reason and f': {reason}'}",
            hint=(f"pip install 'vmamba-deploy[{self.extra}]', or " if self.extra else "")
            + f"set {self.variable} to the folder of {self.main_header}",
        )

    def version(self, folder: Path) -> str:
        """What the headers in `folder` say, such as `10.14.1`; "unknown" if they do not."""
        path = folder / self.version_header
        text = path.read_text(errors="replace") if path.is_file() else ""
        parts = [re.search(rf"#define {each}\s+(\d+)", text) for each in self.version_macros]
        return ".".join(part[1] for part in parts if part) or "unknown"


def _multiarch() -> str:
    """The folder of this kind of machine, as Debian, Ubuntu and JetPack name it.

    A Python that was not built there does not know it.
    """
    return sysconfig.get_config_var("MULTIARCH") or f"{platform.machine()}-linux-gnu"


def _tensorrt_folders() -> Iterator[Path]:
    root = os.environ.get("TENSORRT_ROOT")
    if root:
        yield Path(root) / "include"
    yield Path("/usr/include") / _multiarch()
    yield Path("/usr/include")
    for prefix in ("/usr/local/tensorrt", "/usr/local/TensorRT", "/opt/tensorrt"):
        yield Path(prefix) / "include"
    yield Path(sysconfig.get_path("purelib")) / _KERNEL_LENS
    yield toolchain_folder() / "tensorrt" / _KERNEL_LENS


def _onnxruntime_folders() -> Iterator[Path]:
    fetched = (
        toolchain_folder() / name for name in ("onnxruntime/usr/include", "onnxruntime-header")
    )
    for root in (*_SYSTEM_INCLUDES, *fetched):
        for folder in ("onnxruntime", "onnxruntime/core/session", ""):
            yield root / folder


def _torch_folders() -> Iterator[Path]:
    spec = find_spec("torch")  # found, not imported
    if spec and spec.origin:
        yield Path(spec.origin).parent / "include"


def _openvino_folders() -> Iterator[Path]:
    spec = find_spec("openvino")  # found, not imported
    if spec and spec.origin:
        yield Path(spec.origin).parent / "include"
    yield from _SYSTEM_INCLUDES


def _fetch_tensorrt() -> None:
    destination = toolchain_folder() / "tensorrt"
    pip_packages([TENSORRT_PACKAGE], destination, verify=check_tensorrt_package)


def check_tensorrt_package(folder: Path) -> None:
    """Refuse an unpacked `TENSORRT_PACKAGE` whose headers are not the known ones.

    Raises:
        IntegrityError: they differ.
    """
    digest = hashlib.sha256()
    for header in sorted((folder / _KERNEL_LENS).glob("NvInfer*.h")):
        digest.update(header.name.encode() + b"\0" + header.read_bytes())
    if digest.hexdigest() != TENSORRT_HEADER_SHA256:
        raise IntegrityError(
            f"the fetched headers of TensorRT are not those of {TENSORRT_PACKAGE}",
            hint="set TENSORRT_INCLUDE_DIR to headers that you trust",
        )


def _fetch_onnxruntime() -> None:
    try:
        debian_packages(
            [ONNXRUNTIME_PACKAGE], ONNXRUNTIME_SUITE, toolchain_folder() / "onnxruntime"
        )
    except EnvironmentProblem as no_debian:
        folder = toolchain_folder() / "onnxruntime-header"
        try:
            known_file(ONNXRUNTIME_HEADER_URL, ONNXRUNTIME_HEADER_SHA256, folder)
        except EnvironmentProblem as problem:
            raise ONNXRUNTIME.missing(f"{no_debian.message}; {problem.message}") from problem


TENSORRT = Headers(
    "TensorRT",
    "NvInferRuntime.h",
    "TENSORRT",
    _tensorrt_folders,
    "NvInferVersion.h",
    tuple(rf"(?:TRT|NV_TENSORRT)_{part}(?:_ENTERPRISE)?" for part in ("MAJOR", "MINOR", "PATCH")),
    _fetch_tensorrt,
)
ONNXRUNTIME = Headers(
    "ONNX Runtime",
    "onnxruntime_c_api.h",
    "ONNXRUNTIME",
    _onnxruntime_folders,
    "onnxruntime_c_api.h",
    ("ORT_API_VERSION",),
    _fetch_onnxruntime,
)
# PyTorch's `lib` is beside them.
TORCH = Headers(
    "PyTorch 2.10 or newer",
    "torch/csrc/stable/c/shim.h",
    "TORCH",
    _torch_folders,
    "torch/headeronly/version.h",
    ("TORCH_VERSION_MAJOR", "TORCH_VERSION_MINOR", "TORCH_VERSION_PATCH"),
)
# The wheel has CMake's files and the libraries beside them.
OPENVINO = Headers(
    "OpenVINO",
    "openvino/core/op_extension.hpp",
    "OPENVINO",
    _openvino_folders,
    "openvino/core/version.hpp",
    ("OPENVINO_VERSION_MAJOR", "OPENVINO_VERSION_MINOR", "OPENVINO_VERSION_PATCH"),
    extra="openvino",
)
HEADERS: Mapping[str, Headers] = {
    each.name: each for each in (TENSORRT, ONNXRUNTIME, TORCH, OPENVINO)
}
"""By their name in CMake."""
