"""Finding the headers of TensorRT, ONNX Runtime and PyTorch; only the last come in a wheel."""

from __future__ import annotations

import hashlib
import os
import re
import sysconfig
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from vmamba_deploy.errors import EnvironmentProblem, IntegrityError
from vmamba_deploy.native.debian import debian_package
from vmamba_deploy.native.fetch import known_file, pip_packages
from vmamba_deploy.native.layout import downloads_allowed, toolchain_folder

# This package carries NVIDIA's Apache-licensed headers of TensorRT 10.14.
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
_MULTIARCH = sysconfig.get_config_var("MULTIARCH") or "x86_64-linux-gnu"


@dataclass(frozen=True)
class Headers:
    """A folder of headers and the variable that names another one."""

    title: str
    main_header: str
    variable: str
    usual_folders: tuple[Path, ...]

    def find(self) -> Path | None:
        """The folder named by the variable, else the first usual one that has the header.

        Raises:
            EnvironmentProblem: the variable names a folder without it.
        """
        named = os.environ.get(self.variable)
        if named:
            if not (Path(named) / self.main_header).is_file():
                raise EnvironmentProblem(
                    f"{self.variable} names {named}, which has no {self.main_header}"
                )
            return Path(named)
        for folder in self.usual_folders:
            if (folder / self.main_header).is_file():
                return folder
        return None

    def missing(self, reason: str = "") -> EnvironmentProblem:
        """The error that says how to bring them."""
        return EnvironmentProblem(
            f"the headers of {self.title} were not found{reason and f': {reason}'}",
            hint=f"set {self.variable} to the folder of {self.main_header}",
        )


def tensorrt_headers() -> Headers:
    """Where TensorRT's headers may be."""
    return Headers(
        "TensorRT",
        "NvInferRuntime.h",
        "TENSORRT_INCLUDE_DIR",
        (
            *_below_root(os.environ.get("TENSORRT_ROOT")),
            Path("/usr/include") / _MULTIARCH,
            Path("/usr/include"),
            Path("/usr/local/tensorrt/include"),
            Path("/usr/local/TensorRT/include"),
            Path("/opt/tensorrt/include"),
            Path(sysconfig.get_path("purelib")) / _KERNEL_LENS,
            toolchain_folder() / "tensorrt" / _KERNEL_LENS,
        ),
    )


def onnxruntime_headers() -> Headers:
    """Where the headers of ONNX Runtime's C interface may be."""
    below = ("onnxruntime", "onnxruntime/core/session", "")
    return Headers(
        "ONNX Runtime",
        "onnxruntime_c_api.h",
        "ONNXRUNTIME_INCLUDE_DIR",
        tuple(
            root / folder
            for root in (
                *_SYSTEM_INCLUDES,
                toolchain_folder() / "onnxruntime/usr/include",
                toolchain_folder() / "onnxruntime-header",
            )
            for folder in below
        ),
    )


def torch_headers() -> Headers:
    """Where PyTorch's headers may be; its `lib` is beside them. PyTorch is not imported."""
    spec = find_spec("torch")
    package = Path(spec.origin).parent if spec and spec.origin else None
    return Headers(
        "PyTorch 2.10 or newer",
        "torch/csrc/stable/c/shim.h",
        "TORCH_INCLUDE_DIR",
        _below_root(str(package)) if package else (),
    )


def _below_root(root: str | None) -> tuple[Path, ...]:
    return (Path(root) / "include",) if root else ()


def require_tensorrt_headers() -> Path:
    """The folder of TensorRT's headers, fetched where downloads are allowed.

    Raises:
        EnvironmentProblem: not found and not to be had.
        IntegrityError: the fetched headers are not the known ones.
    """
    headers = tensorrt_headers()
    found = headers.find()
    if found is None and downloads_allowed():
        destination = toolchain_folder() / "tensorrt"
        pip_packages([TENSORRT_PACKAGE], destination, verify=check_tensorrt_package)
        found = headers.find()
    if found is None:
        raise headers.missing()
    return found


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


def tensorrt_version(folder: Path) -> str:
    """The version that the headers in `folder` say, such as `10.14.1`; "unknown" if they do not."""
    path = folder / "NvInferVersion.h"
    text = path.read_text(errors="replace") if path.is_file() else ""
    parts = [
        re.search(rf"#define (?:TRT|NV_TENSORRT)_{part}(?:_ENTERPRISE)?\s+(\d+)", text)
        for part in ("MAJOR", "MINOR", "PATCH")
    ]
    return ".".join(part[1] for part in parts if part) or "unknown"


def onnxruntime_api_version(folder: Path) -> int | None:
    """ORT_API_VERSION of the headers in `folder`."""
    text = (folder / "onnxruntime_c_api.h").read_text(errors="replace")
    found = re.search(r"#define ORT_API_VERSION (\d+)", text)
    return int(found[1]) if found else None


def torch_version(folder: Path) -> str:
    """The version that the headers in `folder` say, such as `2.13.0`; "unknown" if they do not."""
    path = folder / "torch/headeronly/version.h"
    text = path.read_text(errors="replace") if path.is_file() else ""
    parts = [
        re.search(rf"#define TORCH_VERSION_{part} (\d+)", text)
        for part in ("MAJOR", "MINOR", "PATCH")
    ]
    return ".".join(part[1] for part in parts if part) or "unknown"


def require_torch_headers() -> Path:
    """The folder of PyTorch's headers.

    Raises:
        EnvironmentProblem: PyTorch is not installed, or is older than 2.10.
    """
    headers = torch_headers()
    found = headers.find()
    if found is None:
        raise headers.missing()
    return found


def require_onnxruntime_headers() -> Path:
    """The folder of ONNX Runtime's header, fetched where downloads are allowed.

    From Debian's mirror if this machine has one, else from the repository of its makers.

    Raises:
        EnvironmentProblem: not found and not to be had.
        IntegrityError: the fetched header is not the known one.
    """
    headers = onnxruntime_headers()
    found = headers.find()
    if found is None and downloads_allowed():
        _fetch_onnxruntime_header(headers)
        found = headers.find()
    if found is None:
        raise headers.missing()
    return found


def _fetch_onnxruntime_header(headers: Headers) -> None:
    try:
        debian_package(ONNXRUNTIME_PACKAGE, ONNXRUNTIME_SUITE, toolchain_folder() / "onnxruntime")
    except EnvironmentProblem as no_debian:
        folder = toolchain_folder() / "onnxruntime-header"
        try:
            known_file(ONNXRUNTIME_HEADER_URL, ONNXRUNTIME_HEADER_SHA256, folder)
        except EnvironmentProblem as problem:
            raise headers.missing(f"{no_debian.message}; {problem.message}") from problem
