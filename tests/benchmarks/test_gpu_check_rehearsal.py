"""The whole GPU check rehearsed on the CPU, with a Python that has PyTorch and NumPy alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.gpu_check.direct_build import build_directly
from vmamba_deploy.ops.native_abi import NativeLibrary

ROOT = Path(__file__).resolve().parents[2]
# Everything that this project installs beside PyTorch and what PyTorch itself needs.
HIDDEN = (
    "click",
    "jsonschema",
    "matplotlib",
    "ml_dtypes",
    "onnx",
    "onnx_graphsurgeon",
    "onnxruntime",
    "onnxscript",
    "PIL",
    "polygraphy",
    "pytest",
    "rich",
    "safetensors",
    "tensorrt",
    "tensorrt_rtx",
)
HIDE = f"""
from importlib.machinery import PathFinder
found = PathFinder.find_spec
def find_spec(name, path=None, target=None):
    return None if name.split(".")[0] in {HIDDEN!r} else found(name, path, target)
PathFinder.find_spec = find_spec
from vmamba_deploy.native import toolchain
toolchain.find_tool = lambda name: None
"""


def bare_environment(folder: Path) -> dict[str, str]:
    """A Python that finds neither the packages of this project nor CMake and Ninja."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(HIDE)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VMAMBA")}
    return kept | {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, str]:
    folder = tmp_path_factory.mktemp("rehearsal")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu_check", "--rehearse", "--out", str(folder / "out")],
        cwd=ROOT,
        env=bare_environment(folder / "bare"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((folder / "out" / "gpu_check.json").read_text()), done.stdout


def test_every_stage_that_needs_no_gpu_passes(rehearsal: tuple[dict, str]) -> None:
    stages = rehearsal[0]["stages"]
    skipped = {name for name, entry in stages.items() if entry["status"] == "skipped"}
    assert skipped == {"plugin", "kernel_times", "sanitizer", "ncu", "onnxruntime", "tests"}
    assert all(entry["status"] == "passed" for name, entry in stages.items() if name not in skipped)


def test_the_library_was_built_by_the_compiler_alone(rehearsal: tuple[dict, str]) -> None:
    assert rehearsal[0]["stages"]["build"]["result"]["with"] == "the compilers alone"


def test_accuracy_was_measured_in_every_dtype(rehearsal: tuple[dict, str]) -> None:
    result = rehearsal[0]["stages"]["accuracy"]["result"]
    assert {row["y"] for row in result["cases"]} == {"float32", "float16", "bfloat16"}
    assert all(0 < row["relative"] < 1e-2 and row["equal_bits"] for row in result["cases"])
    assert result["random"]["done"] == result["random"]["wanted"]


def test_operations_of_the_network_are_recorded(rehearsal: tuple[dict, str]) -> None:
    rows = rehearsal[0]["stages"]["layers"]["result"]["rows"]
    assert sum(row["kind"] == "scan" for row in rows) == 4
    assert all(row["moved_bytes"] > 0 for row in rows)


def test_the_network_is_packaged_and_agrees_with_fp32(rehearsal: tuple[dict, str]) -> None:
    for stage in ("networks", "compiled", "aotinductor"):
        rows = rehearsal[0]["stages"][stage]["result"]["rows"]
        assert {row["batch"] for row in rows} == {1, 2}
        assert all(row["agrees"] for row in rows)


def test_what_a_machine_lacks_is_named(rehearsal: tuple[dict, str]) -> None:
    error = rehearsal[0]["stages"]["onnxruntime"]["error"]
    assert error == "Python has no onnx, onnxscript, onnxruntime"


def test_no_bar_is_judged_from_a_rehearsal(rehearsal: tuple[dict, str]) -> None:
    assert rehearsal[0]["rehearsal"] is True
    assert rehearsal[0]["bars"] == []


def test_the_tables_are_printed(rehearsal: tuple[dict, str]) -> None:
    for title in (
        "Stages",
        "Accuracy against float64",
        "The op with its x_proj product",
        "Networks",
        "Cost per pixel",
    ):
        assert f"\n{title}\n" in rehearsal[1]


def test_without_a_gpu_the_check_says_so(tmp_path: Path) -> None:
    if Path("/dev/nvidiactl").exists():
        pytest.skip("this machine has a GPU")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu_check", "--out", str(tmp_path / "out")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4
    assert "NVIDIA driver" in done.stderr
    assert not (tmp_path / "out").exists()


def test_nvcc_alone_builds_the_cuda_library(tmp_path: Path) -> None:
    from vmamba_deploy.native import cuda

    if cuda.find_cuda() is None:
        pytest.skip("there is no nvcc on this machine")
    path = build_directly("vmamba_cuda", tmp_path, "90")
    assert NativeLibrary(path, "vmamba_cuda").function("vmamba_abi_version")() == 1
    built = path.stat().st_mtime_ns
    assert build_directly("vmamba_cuda", tmp_path, "90").stat().st_mtime_ns == built
