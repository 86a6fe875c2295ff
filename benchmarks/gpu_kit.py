"""One file with all that `make gpu-check` needs on a machine with no network.

The sources as they lie in the working tree, and the headers of TensorRT and ONNX Runtime where this
project looks for them: no wheel and no GPU machine has those.
"""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

from vmamba_deploy.artifacts.atomic import atomic_write
from vmamba_deploy.errors import EnvironmentProblem
from vmamba_deploy.native.headers import require_onnxruntime_headers, require_tensorrt_headers

ROOT = Path(__file__).resolve().parents[1]
TOP = "vmamba_deploy"
_HEADERS = {
    "NvInfer*.h": (require_tensorrt_headers, "tensorrt/kernel_lens/include/tensorrt"),
    "onnxruntime_c_api.h": (require_onnxruntime_headers, "onnxruntime-header"),
}


def write_kit(path: Path) -> list[str]:
    """Write the archive; returns the names in it, all below one folder.

    Raises:
        EnvironmentProblem: this is no git checkout, or the headers cannot be fetched.
    """
    files = {name: ROOT / name for name in _tracked()}
    for pattern, (require, below) in _HEADERS.items():
        folder = require()
        for header in sorted(folder.glob(pattern)):
            files[f"build/toolchain/{below}/{header.name}"] = header
    with atomic_write(path) as partial, tarfile.open(partial, "w:gz") as archive:
        for name, file in files.items():
            archive.add(file, f"{TOP}/{name}", recursive=False)
    return [f"{TOP}/{name}" for name in files]


def _tracked() -> list[str]:
    command = ["git", "-C", str(ROOT), "ls-files", "-z"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise EnvironmentProblem(
            f"{ROOT} is not a git checkout: {done.stderr.strip()}", hint="clone the repository"
        )
    return [name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]
