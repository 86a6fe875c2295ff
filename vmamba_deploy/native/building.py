"""Building the native libraries on first use, and finding the built ones."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vmamba_deploy.artifacts.atomic import atomic_write
from vmamba_deploy.errors import BuildError, EnvironmentProblem, VmambaError
from vmamba_deploy.native import cuda, toolchain
from vmamba_deploy.native.headers import HEADERS
from vmamba_deploy.native.layout import (
    ARCHS_VARIABLE,
    DEFAULT_ARCHS,
    NATIVE_DIR_VARIABLE,
    Library,
    build_key,
    cache_folder,
    library,
    source_folder,
)
from vmamba_deploy.native.processes import Progress, run_logged

LIBRARIES_KEPT = 16
TREES_KEPT = 3
_ATTEMPTS = 3  # when sources are edited during a build


class SourcesChangedError(BuildError):
    """The sources are no longer those that the build started with."""


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
        settings = [wanted.name, platform.machine(), self.host.version]
        if wanted.cuda != "OFF" and self.cuda is not None:
            settings += [self.cuda.version, self.archs]
        folder = self.includes[wanted.headers] if wanted.headers else None
        if wanted.headers and folder is not None:
            settings += [str(folder), HEADERS[wanted.headers].version(folder)]
        return cache_folder() / "native" / build_key(wanted, settings) / wanted.file_name

    def tree(self) -> Path:
        """The CMake tree for these compilers: what the libraries share is compiled once in it."""
        cuda_version = self.cuda.version if self.cuda else ""
        settings = [platform.machine(), self.host.version, cuda_version]
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


def library_path(name: str, *, progress: Progress | None = None) -> Path:
    """The shared library of one of `LIBRARIES`, by its name.

    It comes from the folder `VMAMBA_NATIVE_DIR` if that is set; else it is built on first use and
    kept under a hash of its sources, options and compilers. `progress` is called with what goes on
    and the part that is done (None: unknown).

    Raises:
        EnvironmentProblem: a compiler or a header is missing.
        BuildError: it does not compile.
    """
    wanted = library(name)
    return _prebuilt(wanted) or build([name], progress=progress)[name]


def available(name: str) -> tuple[bool, str]:
    """Whether `library_path` should succeed, or why not; builds and fetches nothing."""
    wanted = library(name)
    try:
        prebuilt = _prebuilt(wanted)
        if prebuilt:
            return True, f"prebuilt: {prebuilt}"
        built = BuildPlan.find([wanted], fetch=False).output(wanted)
    except VmambaError as problem:
        return False, problem.message + (f" ({problem.hint})" if problem.hint else "")
    return True, f"built: {built}" if built.is_file() else "built on first use"


def build(
    names: Sequence[str], *, archs: str | None = None, progress: Progress | None = None
) -> dict[str, Path]:
    """Build the named libraries that are not built yet, in one CMake tree.

    Args:
        names: of `LIBRARIES`.
        archs: CUDA architectures as `VMAMBA_ARCHS` of the CMake project takes them: "80", "89;90",
            "all"; by default the environment variable of that name, else "80".
        progress: called with what goes on and the part that is done.

    Raises:
        EnvironmentProblem: a compiler or a header is missing.
        BuildError: a library does not compile, or its sources keep changing.
    """
    wanted = [library(name) for name in names]
    plan = BuildPlan.find(wanted, archs=archs, progress=progress)
    for _ in range(_ATTEMPTS - 1):
        try:
            return _build_missing(plan, wanted, progress)
        except SourcesChangedError:
            continue
    return _build_missing(plan, wanted, progress)


def _build_missing(
    plan: BuildPlan, wanted: Sequence[Library], progress: Progress | None
) -> dict[str, Path]:
    from filelock import FileLock

    outputs = {each.name: plan.output(each) for each in wanted}
    if not all(path.is_file() for path in outputs.values()):
        folder = cache_folder() / "native"
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            todo = [each for each in wanted if not outputs[each.name].is_file()]
            if todo:
                _compile(plan, todo, outputs, progress)
                prune_builds(folder, keep=[path.parent for path in outputs.values()])
    for path in outputs.values():
        os.utime(path.parent)
    return outputs


def _prebuilt(wanted: Library) -> Path | None:
    folder = os.environ.get(NATIVE_DIR_VARIABLE)
    if not folder:
        return None
    path = Path(folder).absolute() / wanted.file_name
    if not path.is_file():
        raise EnvironmentProblem(
            f"{NATIVE_DIR_VARIABLE} names {folder}, which has no {wanted.file_name}",
            hint=f"unset {NATIVE_DIR_VARIABLE} to build it from source",
        )
    return path


def _compile(
    plan: BuildPlan,
    libraries: Sequence[Library],
    outputs: Mapping[str, Path],
    progress: Progress | None,
) -> None:
    tree = plan.tree()
    tree.mkdir(parents=True, exist_ok=True)
    log = tree / "build.log"
    log.write_text("")
    names = ", ".join(each.file_name for each in libraries)
    if progress is not None:
        progress(f"configuring {names}", None)
    environment = dict(os.environ) | (plan.cuda.environment() if plan.cuda else {})
    configure: list[str | Path] = [plan.cmake, "-G", "Ninja", "-S", source_folder(), "-B", tree]
    configure += plan.cmake_options()
    run_logged(configure, log=log, what=f"configuring {names}", environment=environment)
    run_logged(
        [plan.ninja, "-C", tree, *(each.name for each in libraries)],
        log=log,
        what=f"building {names}",
        environment=environment | {"NINJA_STATUS": "[%f/%t] "},
        progress=progress,
    )
    for each in libraries:
        if plan.output(each) != outputs[each.name]:
            raise SourcesChangedError(
                f"the sources of {each.file_name} changed while it was built", hint="run it again"
            )
        with atomic_write(outputs[each.name]) as temporary:
            shutil.copy2(tree / "lib" / each.file_name, temporary)


def prune_builds(folder: Path, *, keep: Sequence[Path]) -> None:
    """Remove all but the most recently used libraries and CMake trees; `keep` always stays."""
    entries = [path for path in folder.iterdir() if path.is_dir() and path not in keep]
    entries.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    trees = [path for path in entries if path.name.startswith("tree-")]
    libraries = [path for path in entries if not path.name.startswith("tree-")]
    for old in trees[TREES_KEPT:] + libraries[LIBRARIES_KEPT:]:
        shutil.rmtree(old, ignore_errors=True)
