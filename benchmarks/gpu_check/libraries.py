"""The libraries for the GPU at hand: prebuilt ones, else built, by nvcc alone before by CMake.

Each is tried by one launch before it is trusted: a library for another architecture or of another C
library loads and then fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.gpu_check.nvcc_build import build_with_nvcc
from benchmarks.gpu_check.record import Json
from vmamba_deploy import native
from vmamba_deploy.errors import VmambaError
from vmamba_deploy.native.layout import NATIVE_DIR_VARIABLE

LIBRARIES = ("vmamba_cuda", "vmamba_torch", "vmamba_cpu")
_ROOT = Path(__file__).resolve().parents[2]
_LAUNCH_S = 120  # the first import of PyTorch from a cold disk is most of it
Try = Callable[[Path], str | None]


def choose_library(prebuilt: Path | None, work: Path, archs: str, attempt: Try) -> Json:
    """The first that works, as `folder` and `made_by`, with the reasons against those before it.

    Args:
        prebuilt: a folder of libraries, or None.
        work: where what is built goes.
        archs: of the GPU, such as `90`.
        attempt: makes one launch; why it failed, or None.

    `folder` is None where none works.
    """
    refused: dict[str, str] = {}
    candidates: dict[str, Callable[[], Path]] = {}
    if prebuilt is not None:
        candidates["prebuilt"] = lambda: prebuilt
    candidates["nvcc"] = lambda: build_with_nvcc(work / "nvcc", archs)
    candidates["CMake"] = lambda: build_libraries(work / "native", archs)
    for made_by, make in candidates.items():
        try:
            folder = make()
        except VmambaError as problem:
            refused[made_by] = problem.message
            continue
        reason = attempt(folder)
        if reason is None:
            return {"folder": str(folder), "made_by": made_by, "refused": refused}
        refused[made_by] = reason
    return {"folder": None, "made_by": None, "refused": refused}


def build_libraries(folder: Path, archs: str) -> Path:
    """Fill `folder` with the libraries, their CUDA kernels for `archs` alone.

    Raises:
        EnvironmentProblem: something to build with is missing.
        BuildError: a library does not compile.
    """
    built = native.build(LIBRARIES, archs=archs)
    folder.mkdir(parents=True, exist_ok=True)
    for library in built.values():
        shutil.copy2(library, folder)
    return folder


def launches(folder: Path) -> str | None:
    """Run `benchmarks.gpu.first_launch` with the folder's library; its words where it fails."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.gpu.first_launch"],
            env=os.environ | {NATIVE_DIR_VARIABLE: str(folder)},
            cwd=_ROOT,
            capture_output=True,
            text=True,
            timeout=_LAUNCH_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"one launch took more than {_LAUNCH_S} s"
    if done.returncode == 0:
        return None
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return lines[-1] if lines else f"exit code {done.returncode}"
