"""The tools of a CUDA toolkit that watch a process, and calls of the op under one of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from vmamba_deploy import native
from vmamba_deploy.errors import EnvironmentProblem
from vmamba_deploy.native.layout import NATIVE_DIR_VARIABLE

_PLACES = (
    "/usr/local/cuda/bin",
    "/usr/local/cuda/compute-sanitizer",
    *(str(folder) for folder in sorted(Path("/opt/nvidia").glob("nsight-compute/*"))),
)


def cuda_tool(name: str) -> Path:
    """`ncu` or `compute-sanitizer`: of PATH, of CUDA_HOME, of the usual places.

    Raises:
        EnvironmentProblem: it is in none of them.
    """
    home = os.environ.get("CUDA_HOME")
    places = (*([f"{home}/bin"] if home else []), *_PLACES)
    found = shutil.which(name) or shutil.which(name, path=os.pathsep.join(places))
    if found:
        return Path(found)
    raise EnvironmentProblem(
        f"{name} is not on this machine", hint="it comes with the CUDA toolkit; put it on PATH"
    )


def watch_calls(
    tool: str, options: tuple[str, ...], calls: tuple[str, ...], seconds: float
) -> subprocess.CompletedProcess[str]:
    """Run calls of the op under a tool.

    Args:
        tool: as `cuda_tool` takes it.
        options: of the tool.
        calls: arguments of `benchmarks.gpu.device_calls`.
        seconds: after which both are ended.

    Raises:
        EnvironmentProblem: the tool is not on this machine.
        subprocess.TimeoutExpired: it took longer than `seconds`.
    """
    program = str(cuda_tool(tool))
    # Found here, so that the watched process, many times slower, asks no compiler.
    folder = native.library_path("vmamba_cuda").parent
    return subprocess.run(
        [program, *options, sys.executable, "-m", "benchmarks.gpu.device_calls", *calls],
        capture_output=True,
        text=True,
        env=os.environ | {NATIVE_DIR_VARIABLE: str(folder)},
        cwd=Path(__file__).resolve().parents[2],
        timeout=seconds,
        check=False,
    )
