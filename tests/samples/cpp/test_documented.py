"""docs/cpp.md: its commands run, its example compiles and runs, its options are the programs'."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

import vmamba_deploy
from tests.preprocessing.golden import FOLDER
from tests.samples.cpp.building import ROOT, SAMPLES, build, onnxruntime_settings, run
from tests.samples.cpp.packages import cmake_settings, unpacked
from tests.samples.cpp.programs import Program, program
from vmamba_deploy.inference import load
from vmamba_deploy.native import toolchain

PAGE = (ROOT / "docs" / "cpp.md").read_text()
README = (ROOT / "samples" / "cpp" / "README.md").read_text()


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return found


def commands(name: str) -> list[list[str]]:
    """The words of each documented call of a program, behind its name."""
    lines = re.findall(rf"^build/cpp/{name} (.*)$", PAGE + README, re.MULTILINE)
    return [shlex.split(line) for line in lines]


EXAMPLE = ROOT / "samples" / "cpp" / "example"


@pytest.fixture(scope="module")
def installed(programs: Path) -> Path:
    """The prefix of an installed copy; kept, so that a second run compiles nothing."""
    prefix = programs.with_name("installed")
    shutil.rmtree(prefix, ignore_errors=True)
    run(toolchain.require_tool("cmake"), "--install", programs, "--prefix", prefix)
    return prefix


def example_settings(prefix: Path | None) -> dict[str, object]:
    place = {} if prefix is None else {"vmamba_inference_ROOT": prefix}
    return {**onnxruntime_settings(), "VMAMBA_TENSORRT": "OFF", **place}


def test_the_page_shows_the_example() -> None:
    assert block("cmake") == (EXAMPLE / "CMakeLists.txt").read_text()
    assert block("cpp") == (EXAMPLE / "my_program.cpp").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("way", ["installed", "sources"])
def test_the_example_compiles_and_runs(
    way: str, exported: Path, request: pytest.FixtureRequest
) -> None:
    prefix = request.getfixturevalue("installed") if way == "installed" else None
    tree = build(EXAMPLE, f"example-{way}", example_settings(prefix))
    images = [FOLDER / "photo_420.jpg", FOLDER / "grey_16.png"]
    done = program(tree / "my_program")(exported, *images)
    assert done.code == 0, done.err
    with load(exported, runtime="ort") as model:
        best = [top[0].label for top in model.classify(images, top_k=1)]
    assert [line.split()[0] for line in done.out.splitlines()] == best
    assert program(tree / "my_program")().code == 2
    # From the place that it was asked to come from, and no other.
    used = run(toolchain.require_tool("ninja"), "-C", tree, "-t", "commands", "my_program")
    assert (str(SAMPLES / "include") in used) == (prefix is None)


def configured(source: Path, tree: Path, **settings: object) -> subprocess.CompletedProcess[str]:
    words = [toolchain.require_tool("cmake"), "-S", source, "-B", tree, "-G", "Ninja"]
    words += [f"-D{key}={value}" for key, value in settings.items()]
    words.append(f"-DCMAKE_MAKE_PROGRAM={toolchain.require_tool('ninja')}")
    return subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)


# As on a machine that has none of it.
NOTHING = {
    "CMAKE_FIND_ROOT_PATH": "/nowhere",
    "CMAKE_FIND_ROOT_PATH_MODE_INCLUDE": "ONLY",
    "CMAKE_FIND_ROOT_PATH_MODE_LIBRARY": "ONLY",
}
_FOUR = ["libjpeg-dev", "libpng-dev", "libssl-dev", "nlohmann-json3-dev"]


@pytest.mark.parametrize(
    ("asked", "runtime"),
    [
        ({}, "a runtime       apt-get install libonnxruntime-dev"),
        ({"VMAMBA_TENSORRT": "RTX"}, "TensorRT-RTX    set TensorRT_RTX_ROOT"),
    ],
    ids=str,
)
def test_all_that_is_missing_is_named_at_once(
    tmp_path: Path, asked: dict[str, str], runtime: str
) -> None:
    done = configured(SAMPLES, tmp_path, **NOTHING, **asked)
    assert done.returncode != 0
    assert done.stderr.count("CMake Error") == 1
    told = done.stderr.partition("vmamba_inference needs what was not found:")[2]
    assert [line.split()[-1] for line in told.split("\n") if line][:4] == _FOUR
    assert runtime in told


def test_an_installed_copy_names_what_is_missing_as_well(tmp_path: Path, installed: Path) -> None:
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.22)\nproject(app LANGUAGES CXX)\n"
        "find_package(vmamba_inference CONFIG REQUIRED)\n"
    )
    done = configured(tmp_path, tmp_path / "b", vmamba_inference_ROOT=installed, **NOTHING)
    assert done.returncode != 0
    assert all(f"apt-get install {name}" in done.stderr for name in _FOUR)


def test_the_package_has_the_version_of_this_one(installed: Path) -> None:
    (file,) = installed.rglob("vmamba_inference-config-version.cmake")
    assert f'set(PACKAGE_VERSION "{vmamba_deploy.__version__}")' in file.read_text()


def test_the_command_that_configures_finds_what_a_checkout_has(
    exported: Path, tmp_path: Path
) -> None:
    """The headers are there since `exported`. `cmake --build` is what the fixtures do."""
    (command,) = re.findall(r"^(cmake -S .*Release)$", PAGE, re.MULTILINE)
    assert command in README
    words = [*shlex.split(command.replace("build/cpp", str(tmp_path))), "-DVMAMBA_TENSORRT=OFF"]
    words[0] = str(toolchain.require_tool("cmake"))
    words.append(f"-DCMAKE_MAKE_PROGRAM={toolchain.require_tool('ninja')}")
    words += [f"-D{key}={value}" for key, value in cmake_settings(unpacked()).items()]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "vmamba_inference with OnnxRuntime" in done.stdout
    assert (tmp_path / "build.ninja").is_file()


@pytest.mark.parametrize("name", ["classify", "throughput"])
def test_documented_calls_run(programs: Path, exported: Path, name: str) -> None:
    calls = commands(name)
    assert calls
    places = {
        "artifacts/vmamba_tiny_s1l8-fp16": str(exported),
        "cat.jpg": str(FOLDER / "photo_420.jpg"),
        "dog.png": str(FOLDER / "rgb.png"),
    }
    for words in calls:
        done = program(programs / name)(*[places.get(word, word) for word in words])
        assert done.code == 0, done.err


def test_every_option_is_documented(programs: Path, classify: Program, throughput: Program) -> None:
    of_others = {"--build", "--install", "--prefix", "--task"}
    documented = set(re.findall(r"--[a-z][a-z-]+", PAGE)) - of_others
    offered = set(re.findall(r"^  (--[a-z-]+)", classify("--help").out, re.MULTILINE))
    offered |= set(re.findall(r"^  (--[a-z-]+)", throughput("--help").out, re.MULTILINE))
    for name in ("segment", "detect"):
        usage = program(programs / name)("--help").out
        offered |= set(re.findall(r"^  (--[a-z-]+)", usage, re.MULTILINE))
    assert offered - {"--help"} == documented
