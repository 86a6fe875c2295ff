"""docs/cpp.md: its commands run, its example compiles and runs, its options are the programs'."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.preprocessing.golden import FOLDER
from tests.samples.cpp.building import ROOT, build, onnxruntime_settings
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


@pytest.mark.slow
def test_the_example_compiles_and_runs(exported: Path) -> None:
    # One folder for every run, so that a second one compiles nothing.
    source = ROOT / "build" / "samples" / "example-source"
    source.mkdir(parents=True, exist_ok=True)
    files = {"CMakeLists.txt": block("cmake"), "my_program.cpp": block("cpp")}
    for name, text in files.items():
        if not (source / name).is_file() or (source / name).read_text() != text:
            (source / name).write_text(text)
    if not (source / "vmamba_deploy").exists():
        (source / "vmamba_deploy").symlink_to(ROOT)
    tree = build(source, "example", {**onnxruntime_settings(), "VMAMBA_TENSORRT": "OFF"})
    images = [FOLDER / "photo_420.jpg", FOLDER / "grey_16.png"]
    done = program(tree / "my_program")(exported, *images)
    assert done.code == 0, done.err
    with load(exported, runtime="ort") as model:
        best = [top[0].label for top in model.classify(images, top_k=1)]
    assert [line.split()[0] for line in done.out.splitlines()] == best
    assert program(tree / "my_program")().code == 2


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
    assert "Found OnnxRuntime" in done.stdout
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
    documented = set(re.findall(r"--[a-z][a-z-]+", PAGE)) - {"--build", "--task"}
    offered = set(re.findall(r"^  (--[a-z-]+)", classify("--help").out, re.MULTILINE))
    offered |= set(re.findall(r"^  (--[a-z-]+)", throughput("--help").out, re.MULTILINE))
    for name in ("segment", "detect"):
        usage = program(programs / name)("--help").out
        offered |= set(re.findall(r"^  (--[a-z-]+)", usage, re.MULTILINE))
    assert offered - {"--help"} == documented
