"""Older releases of packages, for tests of the floors that we state."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.kept import kept, kept_for_later_runs


def installed(*requirements: str) -> Path:
    """A folder with these packages, without what they need; the test skips where none come."""

    def install(folder: Path) -> None:
        pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-deps"]
        done = subprocess.run(
            [*pip, "--quiet", "--only-binary=:all:", "--target", str(folder), *requirements],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            pytest.skip(f"pip brings no {', '.join(requirements)}: {done.stderr[-300:]}")

    return kept(kept_for_later_runs("packages"), [sys.version_info[:2], *requirements], install)
