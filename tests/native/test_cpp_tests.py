"""The C++ tests, built by the CMake preset that the native sources' README names."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from filelock import FileLock

from vmamba_deploy.native import layout, toolchain

USERS_PROJECT = """
cmake_minimum_required(VERSION 3.22)
project(app LANGUAGES CXX)
find_package(vmamba 1 REQUIRED)
add_executable(app app.cpp)
target_link_libraries(app PRIVATE vmamba::vmamba_cpu)
"""
USERS_PROGRAM = """
#include <cstdio>
#include <vmamba/selective_scan_2d.h>
int main() { std::printf("%d\\n", static_cast<int>(vmamba_abi_version())); }
"""


def options() -> list[str]:
    ninja, compiler = toolchain.require_tool("ninja"), toolchain.find_host_compiler().path
    return ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}", f"-DCMAKE_CXX_COMPILER={compiler}"]


@pytest.fixture(scope="module")
def tree() -> Path:
    # A tree of its own, kept for the next run: a developer's may have another generator.
    folder = layout.cache_folder() / "cmake" / "cpu-pytest"
    folder.parent.mkdir(parents=True, exist_ok=True)
    cmake = toolchain.require_tool("cmake")
    with FileLock(folder.with_name(".cpu-pytest.lock")):
        run(cmake, "--preset", "cpu", "-B", folder, *options(), "-DVMAMBA_WERROR=ON")
        run(cmake, "--build", folder)
    return folder


@pytest.mark.slow
def test_the_cpp_tests_pass(tree: Path) -> None:
    ctest = toolchain.require_tool("cmake").with_name("ctest")
    ran = run(ctest, "--test-dir", tree, "--output-on-failure", "--no-tests=error")
    assert "100% tests passed" in ran
    for source in (layout.source_folder() / "tests").glob("cpu_*.cpp"):
        assert source.stem in ran


@pytest.mark.slow
def test_a_project_finds_the_installed_copy(tree: Path, tmp_path: Path) -> None:
    cmake, build = toolchain.require_tool("cmake"), tmp_path / "build"
    run(cmake, "--install", tree, "--prefix", tmp_path / "installed")
    (tmp_path / "CMakeLists.txt").write_text(USERS_PROJECT)
    (tmp_path / "app.cpp").write_text(USERS_PROGRAM)
    prefix = f"-DCMAKE_PREFIX_PATH={tmp_path / 'installed'}"
    run(cmake, "-S", tmp_path, "-B", build, prefix, *options())
    run(cmake, "--build", build)
    assert run(build / "app") == "1\n"


def run(*command: str | Path) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=layout.source_folder(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout
