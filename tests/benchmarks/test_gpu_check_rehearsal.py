"""The whole GPU check rehearsed on the CPU, by a Python that has little beside PyTorch."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from benchmarks.gpu_check.parts import PARTS
from vmamba_deploy import native

ROOT = Path(__file__).resolve().parents[2]
# What the machine has; the rest of this environment is hidden from its Python.
THERE = ("torch", "triton", "numpy", "onnx", "pytest", "click")
HIDE = """
from importlib.machinery import PathFinder
found = PathFinder.find_spec
def find_spec(cls, name, path=None, target=None):
    return None if name.split(".")[0] in {hidden!r} else found(name, path, target)
PathFinder.find_spec = classmethod(find_spec)
from vmamba_deploy.native import toolchain
toolchain._is_recent = lambda name, path: False
"""


def hidden_modules() -> frozenset[str]:
    """Modules of installed packages that are neither `THERE` nor needed by one of those."""
    kept: set[str] = set()
    wanted = [canonicalize_name(name) for name in THERE]
    while wanted:
        if (name := wanted.pop()) in kept:
            continue
        kept.add(name)
        with suppress(PackageNotFoundError):  # such as what only another system needs
            needed = map(Requirement, requires(name) or ())
            wanted += [
                canonicalize_name(each.name)
                for each in needed
                if each.marker is None or each.marker.evaluate({"extra": ""})
            ]
    return frozenset(
        module
        for module, packages in packages_distributions().items()
        if kept.isdisjoint(map(canonicalize_name, packages))
        and module not in ("benchmarks", "tests", "vmamba_deploy")
    )


def bare_environment(folder: Path) -> dict[str, str]:
    """A Python that finds neither this project's packages nor CMake and Ninja."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(HIDE.format(hidden=hidden_modules()))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VMAMBA")}
    paths = f"{folder}{os.pathsep}{ROOT}"
    return kept | {"PYTHONPATH": paths, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def python(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return bare_environment(tmp_path_factory.mktemp("machine") / "bare")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, bare: dict[str, str]) -> tuple[Path, str]:
    """The folder of a rehearsal's record, and what it printed."""
    if gpu_is_here():
        pytest.skip("this machine has a GPU: its tests would run")
    prebuilt = tmp_path_factory.mktemp("prebuilt")
    for library in ("vmamba_cpu", "vmamba_torch"):
        available, reason = native.available(library)
        if not available:
            pytest.skip(reason)
        shutil.copy2(native.library_path(library), prebuilt)
    keep = tmp_path_factory.mktemp("rehearsal") / "keep"
    options = ("--rehearse", "--keep", str(keep), "--prebuilt", str(prebuilt))
    done = python("-m", "benchmarks.gpu_check", *options, env=bare)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return keep, done.stdout


@pytest.fixture(scope="module")
def record(kept: tuple[Path, str]) -> dict[str, Any]:
    return json.loads((kept[0] / "gpu_check.json").read_text())


def gpu_is_here() -> bool:
    return Path("/dev/nvidiactl").exists()


def test_the_machine_has_little(bare: dict[str, str]) -> None:
    asked = "import importlib.util as u, sys; print([bool(u.find_spec(n)) for n in sys.argv[1:]])"
    names = ("torch", "numpy", "onnx", "pytest", "click", "hypothesis", "tomlkit", "onnxruntime")
    done = python("-c", asked, *names, env=bare)
    assert done.stdout == "[True, True, True, True, True, False, False, False]\n", done.stderr


@pytest.mark.slow
def test_every_measurement_passes_and_tests_are_skipped(record: dict[str, Any]) -> None:
    assert list(record["parts"]) == [part.name for part in PARTS]
    for part in PARTS:
        entry = record["parts"][part.name]
        if not part.rehearsed:
            assert (entry["status"], entry["reason"]) == ("skipped", "it needs a GPU")
        elif part.commands[0].measures:
            assert entry["status"] == "passed", entry
        else:
            assert entry["status"] == "skipped"
            assert "no NVIDIA driver" in entry["reason"] or "finds no GPU" in entry["reason"]
            (row,) = entry["commands"].values()
            assert row["tests"]["skipped"] > 0
            assert row["tests"]["passed"] == row["tests"]["failed"] == 0


@pytest.mark.slow
def test_results_of_the_measurements_are_kept(record: dict[str, Any]) -> None:
    def result(part: str, command: str) -> dict[str, Any]:
        return record["parts"][part]["commands"][command]["result"]

    assert len(result("op", "op")["rows"]) == 4
    assert len(result("sequences", "sequences")["rows"]) == 2
    scans = [row for row in result("layers", "layers")["rows"] if row["kind"] == "scan"]
    assert len(scans) == 4
    assert all(row["moved_bytes"] > 0 for row in scans)
    network = result("network", "network_128")
    assert network["preset"] == "rehearsed"
    assert network["failed"] == {}
    assert all(row["ms"]["median"] > 0 for row in network["rows"])
    assert result("resolutions", "resolutions")["largest_over_smallest"] >= 1
    assert result("machine", "machine")["ceilings"]["copy_bytes_per_s"] > 0


@pytest.mark.slow
def test_no_bar_is_judged_from_it(record: dict[str, Any]) -> None:
    assert record["rehearsal"] is True
    assert record["schema_version"] == 2
    assert record["bars"] == []


@pytest.mark.slow
def test_it_leaves_two_files_and_says_where(kept: tuple[Path, str]) -> None:
    keep, output = kept
    assert {path.name for path in keep.iterdir()} == {"gpu_check.json", "logs.tgz"}
    with tarfile.open(keep / "logs.tgz") as archive:
        names = set(archive.getnames())
    assert {"logs/op.log", "logs/op.json", "logs/accuracy.xml"} <= names
    assert output.endswith(f"{keep / 'gpu_check.json'}\n")
    for part in PARTS:
        assert f"{part.name}: {part.summary}\n" in output


def test_tests_for_the_gpu_are_collected_there(bare: dict[str, str]) -> None:
    commands = [command for part in PARTS for command in part.commands if not command.measures]
    files = [word for each in commands for word in each.arguments if word.endswith(".py")]
    done = python(
        *("-m", "pytest", "-m", "gpu", "--collect-only", "-q", "-p", "no:cacheprovider"),
        *files,
        env=bare,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for file in files:
        assert f"{file}::test_" in done.stdout


def test_without_a_gpu_the_check_says_so(tmp_path: Path) -> None:
    if gpu_is_here():
        pytest.skip("this machine has a GPU")
    keep = tmp_path / "keep"
    done = python("-m", "benchmarks.gpu_check", "--keep", str(keep), env=dict(os.environ))
    assert done.returncode == 4
    assert "NVIDIA driver" in done.stderr
    assert done.stderr.endswith("hint: --rehearse runs the parts without a GPU\n")
    assert done.stdout == ""
    assert not keep.exists()
