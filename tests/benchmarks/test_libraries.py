"""The library that a GPU check takes: the first that launches, with why the others were refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.gpu_check import libraries
from benchmarks.gpu_check.libraries import LIBRARIES, choose_library, launches
from vmamba_deploy import native
from vmamba_deploy.errors import EnvironmentProblem, VmambaError

PREBUILT = Path("/prebuilt")


class Machine:
    """What builds on a machine, and what of it launches."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.asked: list[str] = []
        self.tried: list[Path] = []
        self.problems: dict[str, VmambaError] = {}
        self.refusals: dict[Path, str] = {}
        self._built = folder
        monkeypatch.setattr(native, "build", self._cmake)
        monkeypatch.setattr(libraries, "build_with_nvcc", self._nvcc)

    def _nvcc(self, folder: Path, archs: str) -> Path:
        self._ask("nvcc", archs)
        return folder

    def _cmake(self, names: Sequence[str], archs: str) -> dict[str, Path]:
        self._ask("CMake", archs)
        paths = {name: self._built / name / f"lib{name}.so" for name in names}
        for path in paths.values():
            path.parent.mkdir(parents=True)
            path.write_text(path.name)
        return paths

    def _ask(self, how: str, archs: str) -> None:
        assert archs == "90"
        self.asked.append(how)
        if how in self.problems:
            raise self.problems[how]

    def launch(self, folder: Path) -> str | None:
        self.tried.append(folder)
        return self.refusals.get(folder)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    return Machine(monkeypatch, tmp_path / "built")


def test_prebuilt_libraries_that_launch_are_taken(machine: Machine, tmp_path: Path) -> None:
    assert choose_library(PREBUILT, tmp_path, "90", machine.launch) == {
        "folder": str(PREBUILT),
        "made_by": "prebuilt",
        "refused": {},
    }
    assert machine.asked == []


def test_where_they_do_not_nvcc_builds(machine: Machine, tmp_path: Path) -> None:
    machine.refusals[PREBUILT] = "no kernel image for this GPU"
    assert choose_library(PREBUILT, tmp_path, "90", machine.launch) == {
        "folder": str(tmp_path / "nvcc"),
        "made_by": "nvcc",
        "refused": {"prebuilt": "no kernel image for this GPU"},
    }
    assert machine.asked == ["nvcc"]


def test_where_nvcc_alone_fails_cmake_builds(machine: Machine, tmp_path: Path) -> None:
    machine.problems["nvcc"] = EnvironmentProblem("there is no nvcc")
    folder = tmp_path / "native"
    assert choose_library(None, tmp_path, "90", machine.launch) == {
        "folder": str(folder),
        "made_by": "CMake",
        "refused": {"nvcc": "there is no nvcc"},
    }
    # One folder for all, as VMAMBA_NATIVE_DIR must name it.
    assert {file.name for file in folder.iterdir()} == {f"lib{n}.so" for n in LIBRARIES}
    assert machine.tried == [folder]


def test_where_nothing_launches_every_reason_is_told(machine: Machine, tmp_path: Path) -> None:
    machine.refusals = {PREBUILT: "of another C library", tmp_path / "nvcc": "wrong result"}
    machine.problems["CMake"] = EnvironmentProblem("there is no CMake")
    assert choose_library(PREBUILT, tmp_path, "90", machine.launch) == {
        "folder": None,
        "made_by": None,
        "refused": {
            "prebuilt": "of another C library",
            "nvcc": "wrong result",
            "CMake": "there is no CMake",
        },
    }


def test_a_launch_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "benchmarks" / "gpu"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").write_text("")
    monkeypatch.setattr(libraries, "_ROOT", tmp_path)
    launch = package / "first_launch.py"
    launch.write_text(
        "import os, sys\nfolder = os.environ['VMAMBA_NATIVE_DIR']\n"
        "sys.exit(0 if folder == '/good' else f'{folder} has no kernels\\n\\n')\n"
    )
    assert launches(Path("/good")) is None
    assert launches(Path("/bad")) == "/bad has no kernels"
    launch.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    assert launches(Path("/bad")) == "exit code -9"
    launch.write_text("import time\ntime.sleep(600)\n")
    monkeypatch.setattr(libraries, "_LAUNCH_S", 0.5)
    assert launches(Path("/slow")) == "one launch took more than 0.5 s"
