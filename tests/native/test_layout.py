from __future__ import annotations

import shutil

import pytest

from vmamba_deploy.errors import UsageError
from vmamba_deploy.native import LIBRARIES, layout


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """A copy of the native sources that a test may change."""
    copy = tmp_path / "plugins"
    shutil.copytree(layout.source_folder(), copy)
    monkeypatch.setattr(layout, "source_folder", lambda: copy)
    return copy


def key(name: str, *settings: str) -> str:
    return layout.build_key(LIBRARIES[name], settings)


def test_the_key_is_stable(sources):
    before = key("vmamba_cpu", "g++ 12")
    for file in sources.rglob("*.cpp"):
        file.touch()
    assert key("vmamba_cpu", "g++ 12") == before


def test_the_key_depends_on_settings(sources):
    assert key("vmamba_cpu", "g++ 12") != key("vmamba_cpu", "g++ 13")
    assert key("vmamba_cuda", "80") != key("vmamba_cuda", "80", "90")


@pytest.mark.parametrize("name", sorted(LIBRARIES))
def test_the_key_depends_on_the_header_and_the_build_files(sources, name):
    for changed in ("include/vmamba/selective_scan_2d.h", "CMakeLists.txt"):
        before = key(name)
        with (sources / changed).open("a") as file:
            file.write("\n")
        assert key(name) != before


def test_the_key_depends_on_the_librarys_own_sources_alone(sources):
    before = {name: key(name) for name in LIBRARIES}
    (sources / "onnxruntime" / "added.cpp").write_text("int added;\n")
    changed = {name for name in LIBRARIES if key(name) != before[name]}
    assert changed == {"vmamba_ort"}


def test_a_renamed_file_changes_the_key(sources):
    before = key("vmamba_cpu")
    (sources / "kernels/cpu/scan_cpu.cpp").rename(sources / "kernels/cpu/scan_other.cpp")
    assert key("vmamba_cpu") != before


def test_an_unknown_library_is_a_usage_error():
    with pytest.raises(UsageError, match="vmamba_gpu"):
        layout.library("vmamba_gpu")


def test_a_checkout_builds_in_its_own_folder_and_a_package_in_the_users_cache(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    checkout = tmp_path / "plugins"
    monkeypatch.setattr(layout, "source_folder", lambda: checkout)
    assert layout.cache_folder() == tmp_path / "build"
    monkeypatch.setattr(layout, "source_folder", lambda: tmp_path / "vmamba_deploy/_plugins")
    assert layout.cache_folder() == tmp_path / "cache/vmamba_deploy"
