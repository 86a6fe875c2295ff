"""The oldest CMake that we name configures every project of ours."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.old_versions import installed
from tests.samples.cpp.building import onnxruntime_settings
from tests.samples.cpp.packages import cmake_settings, unpacked
from vmamba_deploy.native import toolchain

ROOT = Path(__file__).parents[2]
MAJOR, MINOR = toolchain.CMAKE_AT_LEAST
FLOOR = f"{MAJOR}.{MINOR}"


def configure(folder: Path, tree: Path, *options: str) -> str:
    cmake = installed(f"cmake=={FLOOR}.*") / "cmake/data/bin/cmake"
    ninja, compiler = toolchain.require_tool("ninja"), toolchain.find_host_compiler().path
    tools = [f"-DCMAKE_MAKE_PROGRAM={ninja}", f"-DCMAKE_CXX_COMPILER={compiler}"]
    words = [cmake, "-G", "Ninja", "-S", ".", "-B", tree, *tools, *options]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return (tree / "build.ninja").read_text()


def test_it_configures_the_cpp_sample(tmp_path):
    settings = {**cmake_settings(unpacked()), **onnxruntime_settings(), "VMAMBA_TENSORRT": "OFF"}
    rules = configure(
        ROOT / "samples/cpp", tmp_path, *(f"-D{key}={value}" for key, value in settings.items())
    )
    assert "build classify:" in rules


def test_it_configures_the_native_libraries_by_their_preset(tmp_path):
    assert "build lib/libvmamba_cpu.so:" in configure(ROOT / "plugins", tmp_path, "--preset", "cpu")


@pytest.mark.parametrize("file", ["samples/cpp", "samples/aoti", "samples/openvino", "plugins"])
def test_no_project_asks_for_more(file):
    text = (ROOT / file / "CMakeLists.txt").read_text()
    assert re.findall(r"cmake_minimum_required\(VERSION (.+)\)", text) == [FLOOR]


def test_presets_and_requirements_ask_for_no_more():
    presets = json.loads((ROOT / "plugins/CMakePresets.json").read_text())
    wanted = presets["cmakeMinimumRequired"]
    assert (wanted["major"], wanted["minor"]) == (MAJOR, MINOR)
    assert f'"cmake>={FLOOR}"' in (ROOT / "pyproject.toml").read_text()
