"""One archive with all that a GPU check needs on a machine with no network and no build tools.

The Python sources as they lie in the working tree, the native sources for a machine whose libraries
must be built again, and the libraries themselves for one architecture.
"""

from __future__ import annotations

import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.gpu_check.libraries import build_libraries
from benchmarks.gpu_check.nvcc_build import build_plugin_harness
from benchmarks.gpu_check.record import commit_at_hand
from vmamba_deploy.artifacts.atomic import atomic_write
from vmamba_deploy.errors import EnvironmentProblem
from vmamba_deploy.native.headers import TENSORRT
from vmamba_deploy.native.layout import library

ROOT = Path(__file__).resolve().parents[2]
TOP, PREBUILT = "vmamba_deploy", "prebuilt"
_LEFT_OUT = ("docs/", "samples/", "tests/data/", "benchmarks/results/")


def write_kit(path: Path, arch: str) -> int:
    """Write the archive, all below one folder; returns its size in bytes.

    Raises:
        EnvironmentProblem: this is no git checkout, or something to build with is missing.
        BuildError: a library does not compile.
    """
    sources = list(_sources())
    with tempfile.TemporaryDirectory() as folder:
        prebuilt = build_prebuilt(Path(folder) / PREBUILT, arch)
        with atomic_write(path) as partial, tarfile.open(partial, "w:gz") as archive:
            for name in sources:
                archive.add(ROOT / name, f"{TOP}/{name}", recursive=False)
            for file in sorted(prebuilt.iterdir()):
                archive.add(file, f"{TOP}/{PREBUILT}/{file.name}", recursive=False)
    return path.stat().st_size


def build_prebuilt(folder: Path, arch: str) -> Path:
    """Libraries and the plugin's harness for one architecture, with the commit of their sources."""
    build_libraries(folder, arch)
    kernels = folder / library("vmamba_cuda").file_name
    build_plugin_harness(folder, kernels, TENSORRT.require(), rpath="$ORIGIN")
    (folder / "commit").write_text(f"{commit_at_hand(None)}\n")
    return folder


def _sources() -> Iterator[str]:
    command = ["git", "-C", str(ROOT), "ls-files", "-z"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise EnvironmentProblem(
            f"{ROOT} is not a git checkout: {done.stderr.strip()}", hint="clone the repository"
        )
    for name in done.stdout.split("\0"):
        if name and (ROOT / name).is_file() and not name.startswith(_LEFT_OUT):
            yield name


def main() -> None:
    """`python -m benchmarks.gpu_check.kit FOLDER ARCH`: the libraries alone, not packed."""
    import sys

    build_prebuilt(Path(sys.argv[1]), sys.argv[2])


if __name__ == "__main__":
    main()
