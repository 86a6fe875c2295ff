"""Where the tools of a CUDA toolkit lie that are not always on PATH."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from vmamba_deploy.errors import EnvironmentProblem

_FOLDERS = ("bin", "compute-sanitizer", "nsight-compute-*")


def cuda_tool(name: str) -> Path:
    """`ncu` or `compute-sanitizer`: of PATH, of CUDA_HOME, of the usual places.

    Raises:
        EnvironmentProblem: it is in none of them.
    """
    on_path = shutil.which(name)
    if on_path:
        return Path(on_path)
    roots = [Path(os.environ.get("CUDA_HOME") or "/usr/local/cuda")]
    found = [
        file for root in roots for folder in _FOLDERS for file in root.glob(f"{folder}/{name}")
    ]
    found += sorted(Path("/opt/nvidia").glob(f"nsight-compute/*/{name}"))
    for file in found:
        if os.access(file, os.X_OK):
            return file
    raise EnvironmentProblem(
        f"{name} is not on this machine", hint="it comes with the CUDA toolkit; put it on PATH"
    )
