"""The tools that a build uses, and where its results lie."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vmamba_deploy.native import cuda, headers, toolchain
from vmamba_deploy.native.layout import (
    ARCHS_VARIABLE,
    DEFAULT_ARCHS,
    Library,
    build_key,
    cache_folder,
)
from vmamba_deploy.native.processes import Progress


@dataclass(frozen=True)
class BuildPlan:
    """The tools that a build of some libraries uses."""

    archs: str
    host: toolchain.HostCompiler
    cuda: cuda.CudaToolkit | None
    tensorrt: Path | None
    onnxruntime: Path | None
    torch: Path | None = None
    missing: tuple[str, ...] = ()

    @classmethod
    def find(cls, libraries: Sequence[Library], *, archs: str | None) -> BuildPlan:
        """From what is on the machine; `missing` says what is not."""
        toolkit = cuda.find_cuda() if any(each.cuda != "OFF" for each in libraries) else None
        needed = any(each.cuda == "ON" for each in libraries)
        with_tensorrt = any(each.tensorrt_headers for each in libraries)
        with_onnxruntime = any(each.onnxruntime_headers for each in libraries)
        with_torch = any(each.torch_headers for each in libraries)
        tensorrt = headers.tensorrt_headers().find() if with_tensorrt else None
        onnxruntime = headers.onnxruntime_headers().find() if with_onnxruntime else None
        torch = headers.torch_headers().find() if with_torch else None
        missing = [
            text
            for absent, text in (
                (toolchain.find_tool("cmake") is None, "no CMake 3.24 or newer"),
                (toolchain.find_tool("ninja") is None, "no Ninja"),
                (needed and toolkit is None, "no CUDA compiler (nvcc)"),
                (with_tensorrt and tensorrt is None, "no TensorRT headers"),
                (with_onnxruntime and onnxruntime is None, "no ONNX Runtime headers"),
                (with_torch and torch is None, "no headers of PyTorch 2.10 or newer"),
            )
            if absent
        ]
        return cls(
            archs=archs or os.environ.get(ARCHS_VARIABLE) or DEFAULT_ARCHS,
            host=toolchain.find_host_compiler(),
            cuda=toolkit,
            tensorrt=tensorrt,
            onnxruntime=onnxruntime,
            torch=torch,
            missing=tuple(missing),
        )

    @classmethod
    def require(
        cls, libraries: Sequence[Library], *, archs: str | None, progress: Progress | None
    ) -> BuildPlan:
        """As `find`, fetching what is missing.

        Raises:
            EnvironmentProblem: something is not to be had.
        """
        plan = cls.find(libraries, archs=archs)
        if not plan.missing:
            return plan
        if progress is not None:
            progress("fetching build tools", None)
        toolchain.require_tool("cmake")
        toolchain.require_tool("ninja")
        if any(each.cuda == "ON" for each in libraries):
            cuda.require_cuda()
        if any(each.tensorrt_headers for each in libraries):
            headers.require_tensorrt_headers()
        if any(each.onnxruntime_headers for each in libraries):
            headers.require_onnxruntime_headers()
        if any(each.torch_headers for each in libraries):
            headers.require_torch_headers()
        return cls.find(libraries, archs=archs)

    def output(self, wanted: Library) -> Path:
        """Where the library built by this plan lies."""
        return cache_folder() / "native" / self._key(wanted) / wanted.file_name

    def tree(self, libraries: Sequence[Library]) -> Path:
        """The CMake tree for these libraries; a change of sources is built in the same one."""
        settings = [self.host.version, self.cuda.version if self.cuda else ""]
        text = "\n".join([*settings, *self.cmake_options(libraries)])
        return cache_folder() / "native" / f"tree-{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    def _key(self, wanted: Library) -> str:
        settings = [wanted.name, self.host.version]
        if wanted.cuda != "OFF" and self.cuda is not None:
            settings += [self.cuda.version, self.archs]
        if wanted.tensorrt_headers:
            settings.append(str(self.tensorrt))
        if wanted.onnxruntime_headers:
            settings.append(str(self.onnxruntime))
        if wanted.torch_headers and self.torch is not None:
            settings += [str(self.torch), headers.torch_version(self.torch)]
        return build_key(wanted, settings)

    def cmake_options(self, libraries: Sequence[Library]) -> list[str]:
        """Definitions for CMake's command line."""
        with_cuda = self.cuda is not None and any(each.cuda != "OFF" for each in libraries)
        options = [
            f"-DCMAKE_CXX_COMPILER={self.host.path}",
            f"-DVMAMBA_CUDA={'ON' if with_cuda else 'OFF'}",
            f"-DVMAMBA_ARCHS={self.archs}",
        ]
        if with_cuda and self.cuda is not None:
            options += self.cuda.cmake_options(self.host)
        if any(each.tensorrt_headers for each in libraries):
            options += ["-DVMAMBA_TENSORRT=ON", f"-DTENSORRT_INCLUDE_DIR={self.tensorrt}"]
        if any(each.onnxruntime_headers for each in libraries):
            options += ["-DVMAMBA_ONNXRUNTIME=ON", f"-DONNXRUNTIME_INCLUDE_DIR={self.onnxruntime}"]
        if any(each.torch_headers for each in libraries):
            options += ["-DVMAMBA_TORCH=ON", f"-DTORCH_INCLUDE_DIR={self.torch}"]
        return options
