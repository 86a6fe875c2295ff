"""What is installed: its licences, and the advisories that are known against it.

`python -m tests.audit PIP_AUDIT` (`make audit`). Exit codes: 0 nothing was found; 1 a licence that
`[tool.audit]` of pyproject.toml does not accept, or an advisory; 4 the licences are accepted, but
no source of advisories could be asked.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).parents[1]
_PINS = ("requirements.txt", "requirements-torch.txt", "requirements-dev.txt")
_NO_SOURCE = 4
# Not what packages carry within them and put on the path of a process.
_INSTALLED = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})


def unaccepted_licences() -> list[str]:
    """A line for each installed package with a licence that pyproject.toml does not accept."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["audit"]
    accepted, looked_at = set(settings["licences"]), settings["packages"]
    return [
        f"{distribution.name} {distribution.version}: {licence or 'no licence is named'}"
        for distribution in importlib.metadata.distributions(path=_INSTALLED)
        if distribution.name.lower().replace("_", "-") not in looked_at
        for licence in [_licence(distribution)]
        if not licence or not accepted.issuperset(re.split(r" AND | OR | / ", licence))
    ]


def advisories(pip_audit: Path) -> list[str] | None:
    """A line for each advisory against a pinned version; None where no source could be asked."""
    options = ("--disable-pip", "--no-deps", "--format=json", "--progress-spinner=off")
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as pins:
        pins.write("\n".join(pinned()))
        pins.flush()
        command = [str(pip_audit), *options, "--requirement", pins.name]
        asked = subprocess.run(command, capture_output=True, text=True)
    try:
        packages = json.loads(asked.stdout)["dependencies"]
    except ValueError:
        sys.stderr.write(asked.stderr[-300:])
        return None
    answered = [package for package in packages if "skip_reason" not in package]
    return list(_findings(answered)) if answered else None


def pinned() -> list[str]:
    """Every pinned version, without the hashes: pip-audit wants them for all or for none."""
    lines = (line for name in _PINS for line in (ROOT / name).read_text().splitlines())
    return [line.removesuffix(" \\") for line in lines if re.match(r"\w.*==", line)]


def _findings(packages: list[dict[str, Any]]) -> Iterator[str]:
    for package in packages:
        for found in package["vulns"]:
            fixed = ", ".join(found["fix_versions"]) or "no release"
            yield f"{package['name']} {package['version']}: {found['id']}, fixed in {fixed}"


def _licence(distribution: importlib.metadata.Distribution) -> str:
    """As an expression where the package has one, else the names of its classifiers."""
    metadata = distribution.metadata
    expression = metadata.get("License-Expression")
    if expression:
        return expression
    classifiers = metadata.get_all("Classifier") or []
    named = [text.split(" :: ")[-1] for text in classifiers if text.startswith("License :: ")]
    return " / ".join(named) or (metadata.get("License") or "").strip()


def main(pip_audit: Path) -> int:
    problems = [f"licence not accepted: {line}" for line in unaccepted_licences()]
    found = advisories(pip_audit)
    problems += [f"advisory: {line}" for line in found or ()]
    for line in problems:
        click.echo(line)
    if problems:
        return 1
    if found is None:
        click.echo(
            "licences: all accepted; advisories: not asked, for no source of them answers here"
        )
        return _NO_SOURCE
    click.echo("licences: all accepted; advisories: none")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
