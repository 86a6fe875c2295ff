"""A machine without the Debian packages gets them unpacked beside the other tools."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.samples.cpp import packages
from vmamba_deploy.errors import EnvironmentProblem


def test_only_what_is_missing_is_named_as_the_release_names_it(tmp_path: Path) -> None:
    for header in ("jpeglib.h", "zlib.h", "nlohmann/json.hpp"):
        (tmp_path / header).parent.mkdir(exist_ok=True)
        (tmp_path / header).write_text("")
    missing = packages.missing_packages(tmp_path, "bookworm")
    assert missing == ["libpng-dev", "libpng16-16", "libssl-dev", "libssl3"]
    missing = packages.missing_packages(tmp_path, "trixie")
    assert missing == ["libpng-dev", "libpng16-16t64", "libssl-dev", "libssl3t64"]


def test_they_are_fetched_at_once_and_found_by_cmake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = []
    monkeypatch.setattr(packages, "debian_packages", lambda *call: fetched.append(call))
    monkeypatch.setattr(packages, "toolchain_folder", lambda: tmp_path)
    monkeypatch.delenv("VMAMBA_ALLOW_DOWNLOADS", raising=False)
    prefix = packages.unpacked(tmp_path)
    assert prefix is not None
    ((names, _, folder),) = fetched
    assert "nlohmann-json3-dev" in names
    assert prefix == folder / "usr"
    settings = packages.cmake_settings(prefix)
    assert settings["CMAKE_PREFIX_PATH"] == str(prefix)
    assert packages.MULTIARCH in settings["CMAKE_CXX_STANDARD_INCLUDE_DIRECTORIES"]


def test_without_downloads_the_command_that_brings_them_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VMAMBA_ALLOW_DOWNLOADS", "0")
    with pytest.raises(EnvironmentProblem, match="libpng-dev") as caught:
        packages.unpacked(tmp_path)
    assert (caught.value.hint or "").startswith("apt-get install nlohmann-json3-dev")
