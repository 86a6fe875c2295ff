"""The archive for a machine with no network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.__main__ import main
from benchmarks.c_interface import NativeLibrary
from benchmarks.gpu_check import kit, nvcc_build
from benchmarks.gpu_check.libraries import LIBRARIES
from benchmarks.gpu_check.nvcc_build import HARNESS_NAME, NAMES, build_with_nvcc
from benchmarks.gpu_check.record import commit_at_hand
from vmamba_deploy import native
from vmamba_deploy.errors import EnvironmentProblem
from vmamba_deploy.native import cuda
from vmamba_deploy.native.headers import TENSORRT
from vmamba_deploy.native.layout import DEFAULT_ARCHS, NATIVE_DIR_VARIABLE, cache_folder

LARGEST_BYTES = 16_000_000


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The architectures that were asked for; nothing is compiled."""
    archs: list[str] = []

    def build(folder: Path, arch: str) -> Path:
        archs.append(arch)
        folder.mkdir(parents=True)
        for name in ("libvmamba_cuda.so", HARNESS_NAME):
            (folder / name).write_text(f"{name} for {arch}")
            (folder / name).chmod(0o755)
        (folder / "commit").write_text("0123456789ab\n")
        return folder

    monkeypatch.setattr(kit, "build_prebuilt", build)
    return archs


def unpacked(path: Path, folder: Path) -> Path:
    with tarfile.open(path) as archive:
        assert {name.split("/")[0] for name in archive.getnames()} == {kit.TOP}
        archive.extractall(folder, filter="data")
    return folder / kit.TOP


def test_it_has_the_sources_and_the_libraries_and_no_data(tmp_path: Path, built: list[str]) -> None:
    path = tmp_path / "kit.tar.gz"
    size_bytes = kit.write_kit(path, "90")
    assert built == ["90"]
    assert size_bytes == path.stat().st_size < LARGEST_BYTES
    root = unpacked(path, tmp_path / "there")
    for name in (
        "Makefile",
        "pyproject.toml",
        "benchmarks/gpu_check/__main__.py",
        "tests/plugins/test_cuda_gpu.py",
        "plugins/CMakeLists.txt",
        "plugins/kernels/cuda/selective_scan.cu",
    ):
        assert (root / name).read_bytes() == (kit.ROOT / name).read_bytes()
    prebuilt = root / kit.PREBUILT
    assert (prebuilt / "libvmamba_cuda.so").read_text() == "libvmamba_cuda.so for 90"
    assert (prebuilt / HARNESS_NAME).stat().st_mode & 0o111
    assert commit_at_hand(prebuilt) == "0123456789ab"
    for folder in ("docs", "samples", "tests/data", "benchmarks/results", ".git", "build"):
        assert not (root / folder).exists()


def test_the_command_says_how_to_go_on(tmp_path: Path, built: list[str]) -> None:
    path = tmp_path / "kit.tar.gz"
    done = CliRunner().invoke(main, ["gpu-kit", "--arch", "80", "--output", str(path)])
    assert done.exit_code == 0, done.output
    assert built == ["80"]
    assert re.search(r"\d MB; there: tar xf kit\.tar\.gz, cd vmamba_deploy, python3", done.output)
    assert path.is_file()


def test_outside_of_a_checkout_nothing_is_built_or_written(
    tmp_path: Path, built: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kit, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(EnvironmentProblem, match="is not a git checkout"):
        kit.write_kit(tmp_path / "kit.tar.gz", "90")
    assert not list(tmp_path.iterdir())
    assert built == []


def test_a_library_that_does_not_compile_leaves_no_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: Path, arch: str) -> Path:
        raise EnvironmentProblem("there is no nvcc")

    monkeypatch.setattr(kit, "build_prebuilt", refuse)
    with pytest.raises(EnvironmentProblem, match="there is no nvcc"):
        kit.write_kit(tmp_path / "kit.tar.gz", "90")
    assert not list(tmp_path.iterdir())


def skip_without(*libraries: str) -> None:
    for name in libraries:
        available, reason = native.available(name)
        if not available:
            pytest.skip(reason)
    if cuda.find_cuda() is None:
        pytest.skip("there is no nvcc on this machine")


@pytest.mark.slow
def test_the_libraries_are_built_for_one_architecture(tmp_path: Path) -> None:
    skip_without(*LIBRARIES)
    if TENSORRT.find() is None and not TENSORRT.can_come:
        pytest.skip("the headers of TensorRT are not here")
    folder = kit.build_prebuilt(tmp_path / "prebuilt", DEFAULT_ARCHS)
    names = {f"lib{name}.so" for name in LIBRARIES} | {HARNESS_NAME, "commit"}
    assert {file.name for file in folder.iterdir()} == names
    assert sum(file.stat().st_size for file in folder.iterdir()) < LARGEST_BYTES
    assert commit_at_hand(folder) == commit_at_hand(None)
    library = NativeLibrary(folder / "libvmamba_cuda.so", "vmamba_cuda")
    assert library.function("vmamba_abi_version")() == 1


@pytest.mark.slow
def test_nvcc_alone_builds_the_cuda_libraries() -> None:
    skip_without()
    folder = cache_folder() / "nvcc_alone"  # so that they are compiled again for other sources only
    build_with_nvcc(folder, DEFAULT_ARCHS)
    cuda_library = NativeLibrary(folder / "libvmamba_cuda.so", "vmamba_cuda")
    assert cuda_library.function("vmamba_abi_version")() == 1
    script = """
import torch
from vmamba_deploy.errors import EnvironmentProblem
from vmamba_deploy.ops.selective_scan_2d.specification import ScanDims
from vmamba_deploy.ops.selective_scan_2d.torch_op import selective_scan_2d
from vmamba_deploy.testing import random_tensors
try:
    selective_scan_2d(*random_tensors(ScanDims(1, 2, 2, 4, 1, 1), torch.float32, "cpu").scan, 1)
except EnvironmentProblem as problem:
    print(problem.message)
print(torch._C._dispatch_has_kernel_for_dispatch_key("vmamba::selective_scan_2d", "CUDA"))
"""
    environment = os.environ | {NATIVE_DIR_VARIABLE: str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    problem, on_cuda = done.stdout.splitlines()
    assert "no kernel of vmamba::selective_scan_2d for cpu" in problem
    assert on_cuda == "True"


def test_nvcc_compiles_again_for_other_sources_or_architectures_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    skip_without()
    compiled: list[list[str]] = []

    def compile_it(command: list[str | Path]) -> str:
        compiled.append([str(word) for word in command])
        Path(command[-1]).write_text(f"library {len(compiled)}")
        return ""

    monkeypatch.setattr(nvcc_build, "output_of", compile_it)
    for archs, count in (("90", 2), ("90", 2), ("80;90", 4), ("80;90", 4)):
        folder = build_with_nvcc(tmp_path / "native", archs)
        assert len(compiled) == count
        assert (folder / "libvmamba_torch.so").read_text() == f"library {count}"
    assert "-gencode=arch=compute_80,code=sm_80" in compiled[2]
    assert "-gencode=arch=compute_80,code=sm_80" not in compiled[0]
    (folder / "vmamba_cuda.key").write_text("of other sources")
    build_with_nvcc(tmp_path / "native", "80;90")
    assert (folder / "libvmamba_cuda.so").read_text() == "library 5"
    files = {f"lib{name}.so" for name in NAMES} | {f"{name}.key" for name in NAMES}
    assert {file.name for file in folder.iterdir()} == files
