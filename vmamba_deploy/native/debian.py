"""Unpacking packages of a Debian release, without root and without installing them."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vmamba_deploy.errors import EnvironmentProblem
from vmamba_deploy.native.fetch import fetch_once
from vmamba_deploy.native.processes import output_of

_APT = Path("/etc/apt")
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


@dataclass(frozen=True)
class AptSource:
    """One archive that this machine's apt uses."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]


def debian_package(name: str, suite: str, destination: Path) -> None:
    """Fetch `name` of the release `suite` from this machine's own mirror and unpack it.

    apt checks it against Debian's keyring.

    Raises:
        EnvironmentProblem: this is no Debian, its mirror is unknown, or apt fails.
    """
    debian_packages([name], suite, destination)


def debian_packages(names: Sequence[str], suite: str, destination: Path) -> None:
    """As `debian_package`, for several packages unpacked into one folder.

    Raises:
        EnvironmentProblem: this is no Debian, its mirror is unknown, or apt fails.
    """
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise EnvironmentProblem(f"{tool} is missing: packages of Debian cannot be fetched")
    if not _KEYRING.is_file():
        raise EnvironmentProblem(f"the keyring {_KEYRING} is missing")
    mirror = _main_mirror()
    fetch_once(destination, lambda folder: _unpack(names, suite, mirror, folder))


def _main_mirror() -> str:
    release = platform.freedesktop_os_release()
    codename = release.get("VERSION_CODENAME", "")
    if release.get("ID") == "debian":
        for source in apt_sources(_APT):
            if codename in source.suites and "main" in source.components:
                return source.uri
    raise EnvironmentProblem("no Debian mirror among the apt sources of this machine")


def apt_sources(folder: Path) -> Iterator[AptSource]:
    """The archives of binary packages that the files in an `/etc/apt` name, in both formats."""
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    for file in files:
        if not file.is_file():
            continue
        text = file.read_text(errors="replace")
        if file.suffix == ".sources":
            yield from _deb822(text)
        elif file.suffix == ".list":
            yield from _one_line(text)


def _deb822(text: str) -> Iterator[AptSource]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for stanza in re.split(r"\n\s*\n", "\n".join(lines)):
        fields = dict(re.findall(r"^([\w-]+):\s*(.*(?:\n\s+.*)*)", stanza, re.MULTILINE))
        if "deb" not in fields.get("Types", "").split() or fields.get("Enabled") == "no":
            continue
        suites = tuple(fields.get("Suites", "").split())
        components = tuple(fields.get("Components", "").split())
        for uri in fields.get("URIs", "").split():
            yield AptSource(uri, suites, components)


def _one_line(text: str) -> Iterator[AptSource]:
    for line in text.splitlines():
        found = re.match(r"deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+(.*)", line.split("#")[0])
        if found:
            yield AptSource(found[1], (found[2],), tuple(found[3].split()))


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
