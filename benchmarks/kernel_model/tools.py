"""nvcc and nvdisasm: finding them, and machine code of one source for one architecture."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from vmamba_deploy.errors import BuildError, EnvironmentProblem
from vmamba_deploy.native.cuda import require_cuda
from vmamba_deploy.native.fetch import pip_packages
from vmamba_deploy.native.layout import (
    cache_folder,
    downloads_allowed,
    source_folder,
    toolchain_folder,
)
from vmamba_deploy.native.processes import output_of, telling_lines
from vmamba_deploy.native.toolchain import find_host_compiler

NVDISASM_PACKAGE = "nvidia-cuda-nvdisasm==13.5.37"
ARCHITECTURES = (80, 86, 87, 89, 90, 100, 120)
# As CMake's Release build passes them; -lineinfo adds the line table and changes no instruction.
FLAGS = ("-std=c++17", "-O3", "-DNDEBUG", "-lineinfo", "-Xcompiler=-fPIC", "-Xptxas=-v")
_PACKAGED = Path("nvidia/cu13/bin/nvdisasm")
_WORKERS = 2
_LISTING = ("-c", "-hex", "-gi")


@dataclass(frozen=True)
class MachineCode:
    """One source compiled for one architecture: the disassembler's text and what ptxas said."""

    source: Path
    architecture: int
    listing: str
    ptxas: str


@cache
def require_nvdisasm() -> Path:
    """nvdisasm of this Python's packages, of the toolchain folder or of PATH, else fetched.

    Raises:
        EnvironmentProblem: not found and not to be had.
    """
    fetched = toolchain_folder() / "nvdisasm"
    candidates = [Path(sysconfig.get_path("purelib")) / _PACKAGED, fetched / _PACKAGED]
    on_path = shutil.which("nvdisasm")
    if on_path:
        candidates.append(Path(on_path))
    found = next((path for path in candidates if os.access(path, os.X_OK)), None)
    if found is None and downloads_allowed():
        pip_packages([NVDISASM_PACKAGE], fetched)
        found = fetched / _PACKAGED
    if found is None:
        raise EnvironmentProblem("no nvdisasm found", hint=f"pip install {NVDISASM_PACKAGE}")
    return found


def kernel_sources() -> list[Path]:
    """The CUDA sources of the op."""
    return sorted((source_folder() / "kernels" / "cuda").glob("*.cu"))


def machine_code(
    sources: Sequence[Path], architectures: Sequence[int], *, include: Sequence[Path] = ()
) -> list[MachineCode]:
    """Every source for every architecture, a source at a time; two compilers run at a time.

    Results are kept under a hash of the preprocessed source, the flags and the tools.

    Raises:
        EnvironmentProblem: nvcc or nvdisasm is not to be had.
        BuildError: a source does not compile.
    """
    require_nvdisasm()
    nvcc = require_cuda().nvcc
    jobs = [(source, arch) for source in sources for arch in architectures]
    with ThreadPoolExecutor(_WORKERS) as pool:
        return list(pool.map(lambda job: _one(nvcc, job[0], job[1], include), jobs))


def _one(nvcc: Path, source: Path, architecture: int, include: Sequence[Path]) -> MachineCode:
    folder = cache_folder() / "kernel_model"
    folder.mkdir(parents=True, exist_ok=True)
    kernels = source_folder() / "kernels"
    command: list[str | Path] = [nvcc, *FLAGS, *(f"-I{path}" for path in include)]
    command += [f"-I{source_folder() / 'include'}", f"-I{kernels}"]
    command += [f"--compiler-bindir={require_cuda().host_compiler(find_host_compiler()).path}"]
    command += [f"-gencode=arch=compute_{architecture},code=sm_{architecture}"]
    preprocessed = output_of([*command, "-E", source])
    digest = hashlib.sha256("\n".join(map(str, [*command, require_nvdisasm(), *_LISTING])).encode())
    digest.update(preprocessed.encode())
    stem = folder / f"{source.stem}-{architecture}-{digest.hexdigest()[:16]}"
    listing, log = stem.with_suffix(".sass"), stem.with_suffix(".ptxas")
    if not listing.is_file():
        cubin = stem.with_suffix(f".{os.getpid()}.cubin")
        try:
            text = _compile([*command, "-cubin", "-o", cubin, source])
            _write(log, text)
            _write(listing, output_of([require_nvdisasm(), *_LISTING, cubin]))
        finally:
            cubin.unlink(missing_ok=True)
    return MachineCode(source, architecture, listing.read_text(), log.read_text())


def _compile(command: Sequence[str | Path]) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise BuildError(f"{command[-1]} does not compile:\n{telling_lines(done.stderr)}")
    return done.stderr


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_text(text)
    partial.replace(path)


def demangled(name: str) -> str:
    """A kernel's name as a C++ programmer writes it, without namespaces and parameters."""
    filt = shutil.which("c++filt")
    text = output_of([filt, name]).strip() if filt else name
    text = re.sub(r"\(.*\)$", "", text.removeprefix("void "))
    text = re.sub(r"\((?:int|bool|unsigned int)\)", "", text)
    return re.sub(r"\b(?:vmamba|\(anonymous namespace\))::", "", text)
