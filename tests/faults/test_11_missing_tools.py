"""Machines without a compiler, a driver or a package, and with broken ones."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.asking import ask, assert_plain, assert_refused
from tests.faults.conftest import Refuses
from tests.processes import COMMAND_WITHOUT_MODULE, HANG_S
from vmamba_deploy import native
from vmamba_deploy.errors import EnvironmentProblem, ExitCode
from vmamba_deploy.native import toolchain
from vmamba_deploy.runtimes import cuda_driver

FakeDriver = Callable[[str], None]

ERROR_NAME = """
int cuGetErrorName(int code, const char **text) { *text = "CUDA_ERROR_%d"; return 0; }
"""
NO_DEVICE = "int cuInit(unsigned flags) { return 100; }"
WORKS = "int cuInit(unsigned flags) { return 0; }"
COUNT = "int cuDeviceGetCount(int *count) { *count = %d; return %d; }"


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDriver:
    """Puts a library of the given C source in the place of the NVIDIA driver."""

    def put(source: str) -> None:
        code, library = tmp_path / "driver.c", tmp_path / "libcuda.so.1"
        code.write_text(source)
        subprocess.run(["cc", "-shared", "-fPIC", "-w", "-o", library, code], check=True)
        monkeypatch.setattr(cuda_driver, "_DRIVER_LIBRARY", str(library))

    return put


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (NO_DEVICE + ERROR_NAME, "finds no usable GPU (CUDA_ERROR"),
        (NO_DEVICE + "int cuGetErrorName(int c, char **t) { return 1; }", "(error 100)"),
        (NO_DEVICE, "finds no usable GPU (error 100)"),
        (WORKS + COUNT % (0, 0), "shows no GPU"),
        (WORKS + COUNT % (3, 3) + ERROR_NAME, "shows no GPU"),
        (WORKS, "cuDeviceGetCount"),
        ("int unrelated;", "cuInit"),
    ],
    ids=["none", "nameless", "old", "empty", "miscounts", "half", "foreign"],
)
def test_a_driver_that_is_broken(driver: FakeDriver, source: str, reason: str) -> None:
    driver(source)
    search = cuda_driver.find_gpus()
    assert search.first is None
    assert reason in search.reason


@pytest.mark.parametrize("content", [b"", b"not a library", b"\x7fELF" + bytes(4000)])
def test_a_driver_that_is_no_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    (tmp_path / "libcuda.so.1").write_bytes(content)
    monkeypatch.setattr(cuda_driver, "_DRIVER_LIBRARY", str(tmp_path / "libcuda.so.1"))
    assert cuda_driver.find_gpus().first is None


@pytest.fixture
def without_compilers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty PATH and no library built before; gives the folder of that PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    for name in ("CXX", "CC", "CUDACXX", native.building.NATIVE_DIR_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    for cached in (toolchain._describe_compiler, toolchain._is_recent):
        cached.cache_clear()
    return folder


@pytest.mark.usefixtures("without_compilers")
def test_without_a_compiler_the_remedy_is_told() -> None:
    available, reason = native.available("vmamba_ort")
    assert not available
    assert "no C++ compiler found" in reason
    assert "apt-get install build-essential" in reason


@pytest.mark.usefixtures("without_compilers")
def test_doctor_tells_what_is_missing_and_ends_well() -> None:
    answer = ask("doctor")
    assert answer.code in (ExitCode.OK, ExitCode.ENVIRONMENT)
    assert "no C++ compiler found" in answer.out
    assert_plain(answer)


BROKEN_COMPILERS = {
    "fails": "exit 1",
    "is silent": "exit 0",
    "is killed": "kill -9 $$",
    "is no program": None,
    "says nonsense": "printf '\\377\\376\\033[2J'",
}


@pytest.mark.parametrize("how", list(BROKEN_COMPILERS))
def test_a_compiler_that_does_not_work(without_compilers: Path, how: str) -> None:
    script = BROKEN_COMPILERS[how]
    compiler = without_compilers / "g++"
    compiler.write_text(f"#!/bin/sh\n{script}\n" if script else "\x00\x01")
    compiler.chmod(0o755)
    _, reason = native.available("vmamba_cpu")
    assert str(compiler) in reason
    assert "\x1b" not in reason


@pytest.mark.parametrize("wished", ["/nowhere/g++", "no such compiler", "/", "/etc/hostname"])
def test_a_compiler_that_is_named_and_is_none(
    without_compilers: Path, monkeypatch: pytest.MonkeyPatch, wished: str
) -> None:
    monkeypatch.setenv("CXX", wished)
    with pytest.raises(EnvironmentProblem, match=r"CXX names|cannot be run"):
        native.library_path("vmamba_cpu")


@pytest.mark.parametrize("package", ["onnxruntime", "PIL", "numpy"])
def test_a_package_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, artifact: Path, image: Path, package: str
) -> None:
    ended = run_without(package, "predict", artifact, image)
    assert ended.returncode == ExitCode.ENVIRONMENT, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "hint: pip install" in ended.stderr


BROKEN = {
    "its library is missing": "raise ImportError('libgomp.so.1: cannot open shared object file')",
    "it is half installed": "from . import _pybind_state",
    "it is of another release": "raise AttributeError('module numpy has no attribute int')",
    "it raises what it likes": "raise RuntimeError('Numpy is not available')",
}


@pytest.mark.parametrize("how", list(BROKEN))
def test_a_package_that_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refuses: Refuses, artifact: Path, image: Path,
    how: str,
) -> None:  # fmt: skip
    broken = tmp_path / "site" / "onnxruntime"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text(BROKEN[how])
    monkeypatch.syspath_prepend(str(broken.parent))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for name in [name for name in sys.modules if name.partition(".")[0] == "onnxruntime"]:
        monkeypatch.delitem(sys.modules, name)
    importlib.invalidate_caches()
    arguments = ["predict", artifact, image, "--runtime", "ort"]
    refuses(arguments, ExitCode.ENVIRONMENT, "cannot be imported")


def run_without(package: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", COMMAND_WITHOUT_MODULE, package, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG_S,
    )


def test_an_engine_without_a_driver_is_refused_before_the_export(
    refuses: Refuses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cuda_driver, "_DRIVER_LIBRARY", "libcuda-of-nobody.so.1")
    arguments = ["export", "-m", "t", "--trt", "tensorrt", "-o", tmp_path / "out"]
    answer = refuses(arguments, ExitCode.ENVIRONMENT, "TensorRT")
    assert_refused(answer, ExitCode.ENVIRONMENT, "hint: ")
