"""The tools that a build uses, and where its results lie."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vmamba_deploy.native import cuda, toolchain
from vmamba_deploy.native.headers import HEADERS
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
    """The tools that a build of some libraries uses, and the folders of headers by their name."""

    archs: str
    cmake: Path
    ninja: Path
    host: toolchain.HostCompiler
    cuda: cuda.CudaToolkit | None
    includes: Mapping[str, Path | None]  # None: yet to be fetched

    @classmethod
    def find(
        cls,
        libraries: Sequence[Library],
        *,
        archs: str | None = None,
        fetch: bool = True,
        progress: Progress | None = None,
    ) -> BuildPlan:
        """From what is on the machine.

        Args:
            libraries: what is to be built.
            archs: CUDA architectures; see `build`.
            fetch: bring headers that are missing and can be fetched, else plan without them.
            progress: called before they are.

        Raises:
            EnvironmentProblem: something is not to be had.
            IntegrityError: fetched headers are not the known ones.
        """
        host = toolchain.find_host_compiler()  # first: nothing is any use without one
        wants = {each.cuda for each in libraries}
        toolkit = cuda.find_cuda() if "AUTO" in wants else None
        includes: dict[str, Path | None] = {}
        for headers in (HEADERS[each.headers] for each in libraries if each.headers):
            folder = headers.find()
            if folder is None and (fetch or not headers.can_come):
                if progress is not None:
                    progress(f"fetching the headers of {headers.title}", None)
                folder = headers.require()
            includes[headers.name] = folder
        return cls(
            archs=archs or os.environ.get(ARCHS_VARIABLE) or DEFAULT_ARCHS,
            cmake=toolchain.require_tool("cmake"),
            ninja=toolchain.require_tool("ninja"),
            host=host,
            cuda=cuda.require_cuda() if "ON" in wants else toolkit,
            includes=includes,
        )

    def output(self, wanted: Library) -> Path:
        """Where the library built by this plan lies."""
        settings = [wanted.name, self.host.version]
        if wanted.cuda != "OFF" and self.cuda is not None:
            settings += [self.cuda.version, self.archs]
        folder = self.includes[wanted.headers] if wanted.headers else None
        if wanted.headers and folder is not None:
            settings += [str(folder), HEADERS[wanted.headers].version(folder)]
        return cache_folder() / "native" / build_key(wanted, settings) / wanted.file_name

    def tree(self) -> Path:
        """The CMake tree for these compilers: what the libraries share is compiled once in it."""
        settings = [self.host.version, self.cuda.version if self.cuda else ""]
        text = "\n".join([*settings, *self._compiler_options()])
        return cache_folder() / "native" / f"tree-{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    def cmake_options(self) -> list[str]:
        """Definitions for CMake's command line."""
        options = self._compiler_options()
        for name in HEADERS:  # the tree may hold what an earlier library turned on
            folder = self.includes.get(name)
            options.append(f"-DVMAMBA_{name}={'OFF' if folder is None else 'ON'}")
            options += [] if folder is None else [f"-D{name}_INCLUDE_DIR={folder}"]
        return options

    def _compiler_options(self) -> list[str]:
        options = [
            f"-DCMAKE_MAKE_PROGRAM={self.ninja}",
            f"-DCMAKE_CXX_COMPILER={self.host.path}",
            f"-DVMAMBA_CUDA={'OFF' if self.cuda is None else 'ON'}",
            f"-DVMAMBA_ARCHS={self.archs}",
        ]
        return options if self.cuda is None else options + self.cuda.cmake_options(self.host)
