"""Finding nvcc: a CUDA toolkit of the machine, or the compiler in pip's packages."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from vmamba_deploy.errors import EnvironmentProblem
from vmamba_deploy.native.processes import output_of
from vmamba_deploy.native.toolchain import HostCompiler, find_gcc

_USUAL_ROOT = Path("/usr/local/cuda")
_PACKAGED_ROOT = Path("nvidia/cu13")
_HINT = (
    "install a CUDA toolkit and put nvcc on PATH (or set CUDA_HOME), or: "
    "pip install 'vmamba-deploy[native]'"
)


@dataclass(frozen=True)
class CudaToolkit:
    """An nvcc, and what CMake must be told about it."""

    nvcc: Path
    version: str
    packaged_root: Path | None = None  # set when it lies in pip's packages

    def cmake_options(self, host: HostCompiler) -> list[str]:
        """Definitions for CMake's command line.

        Raises:
            EnvironmentProblem: nvcc does not take any g++ of this machine.
        """
        options = [f"-DCMAKE_CUDA_COMPILER={self.nvcc}"]
        options.append(f"-DCMAKE_CUDA_HOST_COMPILER={self.host_compiler(host).path}")
        if self.packaged_root is not None:
            # CMake insists on libcudart.so, a link that the packages lack; nothing is linked to it.
            shared = next(iter(sorted(self.packaged_root.glob("lib/libcudart.so.*"))), None)
            options.append(f"-DCUDA_CUDART={shared}")
        return options

    def environment(self) -> dict[str, str]:
        """Variables for CMake and Ninja: pip's packages have `lib` where nvcc looks in `lib64`."""
        if self.packaged_root is None:
            return {}
        folders = [str(self.packaged_root / "lib"), os.environ.get("LIBRARY_PATH", "")]
        return {"LIBRARY_PATH": os.pathsep.join(filter(None, folders))}

    def host_compiler(self, preferred: HostCompiler) -> HostCompiler:
        """The preferred compiler if nvcc takes it, else the newest g++ that it takes."""
        newest = self._newest_gcc()
        if newest is None or preferred.gcc_major is None or preferred.gcc_major <= newest:
            return preferred
        other = find_gcc(newest)
        if other is None:
            raise EnvironmentProblem(
                f"nvcc {self.version} takes g++ up to version {newest}, "
                f"and {preferred.path} is {preferred.gcc_major}",
                hint=f"apt-get install g++-{newest}",
            )
        return other

    def _newest_gcc(self) -> int | None:
        # nvcc of PATH may be a script: its own word on where the toolkit lies.
        top = re.search(r"^#\$ TOP=(.+)$", _dry_run(self.nvcc), re.MULTILINE)
        root = Path(top[1].strip()) if top else self.nvcc.resolve().parent.parent
        for header in sorted(root.glob("**/crt/host_config.h")):
            limit = re.search(r"__GNUC__ > (\d+)", header.read_text(errors="replace"))
            if limit:
                return int(limit[1])
        return None


@cache
def _describe(nvcc: Path, packaged_root: Path | None) -> CudaToolkit:
    found = re.search(r"release [\d.]+, V([\d.]+)", output_of([nvcc, "--version"]))
    if found is None:
        raise EnvironmentProblem(f"{nvcc} does not tell its version", hint=_HINT)
    return CudaToolkit(nvcc, found[1], packaged_root)


@cache
def _dry_run(nvcc: Path) -> str:
    command = [str(nvcc), "--dryrun", "-c", "-x", "cu", "/dev/null"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stderr


def find_cuda() -> CudaToolkit | None:
    """The first of: CUDACXX, nvcc of PATH, CUDA_HOME, the usual folder, pip's packages."""
    on_path = shutil.which(os.environ.get("CUDACXX") or "nvcc")
    if on_path:
        return _describe(Path(on_path), None)
    packaged = Path(sysconfig.get_path("purelib")) / _PACKAGED_ROOT
    for root in (os.environ.get("CUDA_HOME"), _USUAL_ROOT, packaged):
        if root and os.access(nvcc := Path(root) / "bin/nvcc", os.X_OK):
            return _describe(nvcc, packaged if root == packaged else None)
    return None


def require_cuda() -> CudaToolkit:
    """As `find_cuda`.

    Raises:
        EnvironmentProblem: there is none.
    """
    found = find_cuda()
    if found is None:
        raise EnvironmentProblem("no CUDA compiler (nvcc) found", hint=_HINT)
    return found
