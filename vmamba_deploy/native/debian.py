"""Unpacking packages of a Debian release, without root and without installing them."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from vmamba_deploy.errors import EnvironmentProblem
from vmamba_deploy.native.fetch import fetch_once
from vmamba_deploy.native.processes import output_of

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def debian_packages(names: Sequence[str], suite: str, destination: Path) -> None:
    """Fetch packages of the release `suite` from this machine's own mirror and unpack them.

    apt checks them against Debian's keyring.

    Raises:
        EnvironmentProblem: this is no Debian, its mirror is unknown, or apt fails.
    """
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise EnvironmentProblem(f"{tool} is missing: packages of Debian cannot be fetched")
    if not _KEYRING.is_file():
        raise EnvironmentProblem(f"the keyring {_KEYRING} is missing")
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
    sources.write_text(f"deb [signed-by={_KEYRING}] {mirror} {suite} main\n")
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
