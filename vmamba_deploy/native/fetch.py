"""Fetching what no requirement can bring into the toolchain folder, whole or not at all."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from vmamba_deploy.errors import EnvironmentProblem, IntegrityError
from vmamba_deploy.native.processes import output_of

_TIMEOUT_SECONDS = 30
_LARGEST_FILE_BYTES = 16 << 20


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


def known_file(url: str, sha256: str, destination: Path) -> None:
    """Fetch one small file, whose content is known, into a folder of its own.

    Raises:
        EnvironmentProblem: the server cannot be reached.
        IntegrityError: it sends another file than the known one.
    """

    def download(folder: Path) -> None:
        try:
            with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as response:
                content = response.read(_LARGEST_FILE_BYTES)
        except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
            reason = getattr(error, "reason", None) or str(error) or type(error).__name__
            raise EnvironmentProblem(f"{url} cannot be fetched: {reason}") from error
        found = hashlib.sha256(content).hexdigest()
        if found != sha256:
            raise IntegrityError(f"{url} has sha256 {found}, expected {sha256}: it was not kept")
        (folder / url.rpartition("/")[2]).write_bytes(content)

    fetch_once(destination, download)
