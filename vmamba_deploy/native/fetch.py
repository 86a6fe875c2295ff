"""Fetching what no requirement can bring into the toolchain folder, whole or not at all."""

from __future__ import annotations

import hashlib
import http.client
import os
import platform
import re
import shutil
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from vmamba_deploy.errors import EnvironmentProblem, IntegrityError
from vmamba_deploy.native.processes import output_of

_DEBIAN_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
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


def debian_packages(names: Sequence[str], suite: str, destination: Path) -> None:
    """Fetch packages of the release `suite` from this machine's own mirror and unpack them.

    apt checks them against Debian's keyring.

    Raises:
        EnvironmentProblem: this is no Debian, its mirror is unknown, or apt fails.
    """
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise EnvironmentProblem(f"{tool} is missing: packages of Debian cannot be fetched")
    if not _DEBIAN_KEYRING.is_file():
        raise EnvironmentProblem(f"the keyring {_DEBIAN_KEYRING} is missing")
    mirror = main_mirror()
    fetch_once(destination, lambda folder: _unpack(names, suite, mirror, folder))


def main_mirror() -> str:
    """Where this machine's apt takes the binary packages of its own release from.

    Raises:
        EnvironmentProblem: this is no Debian, or its sources name no such archive.
    """
    release = platform.freedesktop_os_release()
    if release.get("ID") == "debian":
        codename = re.escape(release.get("VERSION_CODENAME", ""))
        indices = output_of(["apt-get", "--print-uris", "-o", "Debug::NoLocking=true", "update"])
        found = re.search(rf"^'(\S+)/dists/{codename}/main/binary-", indices, re.MULTILINE)
        if found:
            return found[1]
    raise EnvironmentProblem("no Debian mirror among the apt sources of this machine")


def _unpack(names: Sequence[str], suite: str, mirror: str, folder: Path) -> None:
    apt = folder / "apt"
    for part in ("lists/partial", "cache/archives/partial", "download"):
        (apt / part).mkdir(parents=True)
    sources = apt / "sources.list"
    sources.write_text(f"deb [signed-by={_DEBIAN_KEYRING}] {mirror} {suite} main\n")
    options = {
        "Dir::Etc::SourceList": str(sources),
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::Etc::Preferences": "/dev/null",
        "Dir::Etc::PreferencesParts": "/dev/null",
        "Dir::State::Lists": str(apt / "lists"),
        "Dir::Cache": str(apt / "cache"),
        "Acquire::Languages": "none",
        "Debug::NoLocking": "true",
    }
    if os.geteuid() == 0:  # else apt drops to a user who may not write here
        options["APT::Sandbox::User"] = "root"
    common = ["apt-get", "-qq"]
    for key, value in options.items():
        common += ["-o", f"{key}={value}"]
    output_of([*common, "update"])
    output_of(["env", "-C", apt / "download", *common, "download", *names])
    for package in (apt / "download").glob("*.deb"):
        output_of(["dpkg-deb", "-x", package, folder])
    shutil.rmtree(apt)
