"""Fetching compilers and headers into the toolchain folder, whole or not at all."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from vmamba_deploy.errors import EnvironmentProblem
from vmamba_deploy.native.processes import output_of


def fetch_once(destination: Path, fill: Callable[[Path], None]) -> None:
    """Make `destination` with `fill`, in a folder beside it that is renamed when full.

    Two processes that fetch at once wait for each other.
    """
    from filelock import FileLock

    destination.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(destination.parent / f".{destination.name}.lock"):
        if destination.exists():
            return
        work = Path(tempfile.mkdtemp(dir=destination.parent, prefix=f".{destination.name}-"))
        work.chmod(0o755)
        try:
            fill(work)
            work.rename(destination)
        finally:
            shutil.rmtree(work, ignore_errors=True)


def pip_packages(
    requirements: Sequence[str],
    destination: Path,
    *,
    verify: Callable[[Path], None] | None = None,
) -> None:
    """Install packages, without what they depend on, into a folder of their own.

    `verify` looks at the folder before it becomes the destination, and raises to refuse it.

    Raises:
        EnvironmentProblem: pip is missing or fails.
    """

    def install(folder: Path) -> None:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--only-binary", ":all:"]
        try:
            output_of([*command, "--target", folder, *requirements])
        except EnvironmentProblem as problem:
            raise EnvironmentProblem(
                f"cannot fetch {', '.join(requirements)}: {problem.message}",
                hint="allow this machine its package index, or install them by hand",
            ) from problem
        if verify is not None:
            verify(folder)

    fetch_once(destination, install)
