"""The C++ tests, built by the CMake preset that the native sources' README names."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from filelock import FileLock

from vmamba_deploy.native import layout, toolchain


@pytest.mark.slow
def test_the_cpp_tests_pass():
    # A tree of its own, kept for the next run: a developer's may have another generator.
    tree = layout.cache_folder() / "cmake" / "cpu-pytest"
    tree.parent.mkdir(parents=True, exist_ok=True)
    cmake, ninja = toolchain.require_tool("cmake"), toolchain.require_tool("ninja")
    options = ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}", "-DVMAMBA_WERROR=ON"]
    options += [f"-DCMAKE_CXX_COMPILER={toolchain.find_host_compiler().path}"]
    with FileLock(tree.with_name(".cpu-pytest.lock")):
        run(cmake, "--preset", "cpu", "-B", tree, *options)
        run(cmake, "--build", tree)
        ran = run(
            cmake.with_name("ctest"), "--test-dir", tree, "--output-on-failure", "--no-tests=error"
        )
    assert "100% tests passed" in ran
    for source in (layout.source_folder() / "tests").glob("cpu_*.cpp"):
        assert source.stem in ran


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
