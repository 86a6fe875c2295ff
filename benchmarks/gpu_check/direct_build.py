"""The kernels compiled by nvcc and g++ themselves, for a machine with neither CMake nor Ninja.

What is compiled and with which options follows plugins/kernels/*/CMakeLists.txt.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from vmamba_deploy.errors import BuildError
from vmamba_deploy.native import cuda, toolchain
from vmamba_deploy.native.layout import build_key, library, source_folder
from vmamba_deploy.native.processes import telling_lines

_HOST_FLAGS = ("-std=c++17", "-O3", "-DNDEBUG", "-fPIC", "-fvisibility=hidden")
_CPU_BUILDS = {
    "build_portable": (),
    "build_avx2": ("-mavx2", "-mfma", "-mf16c"),
    "build_avx512": (
        *("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma", "-mf16c"),
        "-mprefer-vector-width=512",
    ),
}
_CPU_KERNEL_FLAGS = ("-ffp-contract=off", "-Wno-psabi", "-Wno-maybe-uninitialized")


@dataclass(frozen=True)
class _Compilation:
    """One command, and the object that it makes."""

    command: tuple[str, ...]
    output: Path


def build_directly(name: str, folder: Path, archs: str) -> Path:
    """Compile `vmamba_cpu` or `vmamba_cuda` into `folder`; what is there already is kept.

    Args:
        name: the library.
        folder: where lib<name>.so and its objects go.
        archs: CUDA architectures, such as `90` or `80;90`.

    Raises:
        EnvironmentProblem: there is no compiler.
        BuildError: it does not compile.
    """
    host = toolchain.find_host_compiler()
    output = folder / library(name).file_name
    key = build_key(library(name), [name, host.version, archs])
    stamp = folder / f"{name}.key"
    if output.is_file() and stamp.is_file() and stamp.read_text() == key:
        return output
    objects = folder / f"{name}-objects"
    objects.mkdir(parents=True, exist_ok=True)
    if name == "vmamba_cuda":
        compilations, link = _cuda_commands(objects, archs)
    else:
        compilations, link = _cpu_commands(str(host.path), objects)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda each: _run(each.command), compilations))
    partial = output.with_name(f".{output.name}.{os.getpid()}")
    _run([*link, *(str(each.output) for each in compilations), "-o", str(partial)])
    partial.replace(output)
    stamp.write_text(key)
    return output


def _includes() -> tuple[str, ...]:
    root = source_folder()
    return f"-I{root / 'include'}", f"-I{root / 'kernels'}"


def _link_flags(kernels: str) -> tuple[str, ...]:
    exports = source_folder() / "kernels" / kernels / "exports.map"
    return f"--version-script={exports}", "--gc-sections", "--no-undefined"


def _sources(*parts: str) -> list[Path]:
    folder = source_folder().joinpath("kernels", *parts)
    return sorted(path for path in folder.iterdir() if path.suffix in (".cpp", ".cu"))


def _cuda_commands(objects: Path, archs: str) -> tuple[list[_Compilation], list[str]]:
    toolkit = cuda.require_cuda()
    base = [
        str(toolkit.nvcc),
        "-ccbin",
        str(toolkit.host_compiler(toolchain.find_host_compiler()).path),
    ]
    base += [f"-gencode=arch=compute_{arch},code=sm_{arch}" for arch in archs.split(";")]
    forwarded = ",".join(_HOST_FLAGS[2:])
    compile_flags = [*_HOST_FLAGS[:2], f"-Xcompiler={forwarded}", *_includes()]
    compilations = []
    for source in [*_sources("cuda"), *_sources("common")]:
        output = objects / f"{source.stem}.o"
        command = (*base, *compile_flags, "-c", str(source), "-o", str(output))
        compilations.append(_Compilation(command, output))
    linker = [f"-Xlinker={flag}" for flag in _link_flags("cuda")]
    return compilations, [*base, "-shared", "-cudart", "static", *linker]


def _cpu_commands(compiler: str, objects: Path) -> tuple[list[_Compilation], list[str]]:
    x86 = os.uname().machine == "x86_64"
    compilations = []
    for source in [*_sources("cpu"), *_sources("common")]:
        is_build = source.stem in _CPU_BUILDS
        if is_build and not x86 and source.stem != "build_portable":
            continue
        flags = (*_CPU_KERNEL_FLAGS, *_CPU_BUILDS[source.stem]) if is_build else ()
        output = objects / f"{source.stem}.o"
        command = (
            compiler,
            *_HOST_FLAGS,
            *flags,
            *_includes(),
            "-c",
            str(source),
            "-o",
            str(output),
        )
        compilations.append(_Compilation(command, output))
    linker = ",".join(("-Wl", *_link_flags("cpu")))
    return compilations, [compiler, "-shared", "-pthread", linker]


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(f"{' '.join(command)}\n{telling_lines(done.stdout + done.stderr)}")
