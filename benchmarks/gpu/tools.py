"""Where the tools of a CUDA toolkit lie that are not always on PATH."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from vmamba_deploy.errors import EnvironmentProblem

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
