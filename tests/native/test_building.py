from __future__ import annotations

import ctypes
import multiprocessing
import os
from pathlib import Path

import pytest

from vmamba_deploy import native
from vmamba_deploy.errors import BuildError, EnvironmentProblem
from vmamba_deploy.native import building, cuda, headers, layout, toolchain
from vmamba_deploy.native.building import BuildPlan

TINY_PROJECT = """
cmake_minimum_required(VERSION 3.22)
project(tiny LANGUAGES CXX)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")
add_library(vmamba_cpu SHARED kernels/cpu/tiny.cpp)
"""


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """A small project in a folder of its own, whose library has yet to be built."""
    project = tmp_path / "plugins"
    (project / "kernels/cpu").mkdir(parents=True)
    (project / "CMakeLists.txt").write_text(TINY_PROJECT)
    (project / "kernels/cpu/tiny.cpp").write_text('extern "C" int tiny() { return 41 + 1; }\n')
    for module in (layout, building):
        monkeypatch.setattr(module, "source_folder", lambda: project)
    return tmp_path


def test_the_cpu_library_builds_and_loads():
    assert ctypes.CDLL(str(native.library_path("vmamba_cpu"))).vmamba_abi_version() == 1


def test_a_prebuilt_folder_wins(tmp_path, monkeypatch):
    prebuilt = tmp_path / "libvmamba_cpu.so"
    prebuilt.write_bytes(b"")
    monkeypatch.setenv("VMAMBA_NATIVE_DIR", str(tmp_path))
    assert native.library_path("vmamba_cpu") == prebuilt
    assert native.available("vmamba_cpu") == (True, f"prebuilt: {prebuilt}")


def test_a_prebuilt_folder_without_the_library_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("VMAMBA_NATIVE_DIR", str(tmp_path))
    with pytest.raises(EnvironmentProblem, match=r"has no libvmamba_trt\.so"):
        native.library_path("vmamba_trt")
    found, reason = native.available("vmamba_trt")
    assert not found
    assert "unset VMAMBA_NATIVE_DIR" in reason


def test_without_a_compiler_the_remedy_is_told(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(EnvironmentProblem, match=r"no C\+\+ compiler") as caught:
        native.library_path("vmamba_cpu")
    assert "apt-get install build-essential" in (caught.value.hint or "")
    assert native.available("vmamba_cpu")[0] is False


def test_the_cpu_library_needs_no_cuda(monkeypatch):
    def refuse() -> None:
        raise AssertionError("looked for CUDA")

    monkeypatch.setattr(cuda, "find_cuda", refuse)
    native.available("vmamba_cpu")


def test_headers_that_are_missing_are_fetched_later_or_told(monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("fetched")

    fake = cuda.CudaToolkit(Path("/nvcc"), "13.0.88")
    monkeypatch.setattr(cuda, "find_cuda", lambda: fake)
    monkeypatch.setattr(headers.Headers, "find", lambda self: None)
    monkeypatch.setattr(headers, "pip_packages", refuse)
    monkeypatch.setenv("VMAMBA_ALLOW_DOWNLOADS", "1")
    assert native.available("vmamba_trt") == (True, "built on first use")
    monkeypatch.setenv("VMAMBA_ALLOW_DOWNLOADS", "0")
    ready, reason = native.available("vmamba_trt")
    assert not ready
    assert reason.startswith("the headers of TensorRT were not found (set TENSORRT_INCLUDE_DIR")


def test_a_library_is_kept_by_its_compilers_architectures_and_headers(monkeypatch, tmp_path):
    wanted, versions = layout.library("vmamba_trt"), ("13.0.88", "13.1.0")
    places = set()
    for version in versions:
        toolkit = cuda.CudaToolkit(Path("/nvcc"), version)
        monkeypatch.setattr(cuda, "find_cuda", lambda found=toolkit: found)
        for archs in ("80", "90"):
            for release in (10, 11):
                text = f"#define NV_TENSORRT_MAJOR {release}\n"
                (tmp_path / "NvInferVersion.h").write_text(text)
                (tmp_path / "NvInferRuntime.h").write_text("")
                monkeypatch.setenv("TENSORRT_INCLUDE_DIR", str(tmp_path))
                places.add(BuildPlan.find([wanted], archs=archs).output(wanted))
    assert len(places) == 8


def test_a_cache_that_two_kinds_of_machines_share_keeps_a_library_for_each(monkeypatch):
    wanted, kept = layout.library("vmamba_cpu"), set()
    for machine in ("x86_64", "aarch64"):
        monkeypatch.setattr(building.platform, "machine", lambda machine=machine: machine)
        plan = BuildPlan.find([wanted])
        kept |= {plan.output(wanted), plan.tree()}
    assert len(kept) == 4


def test_libraries_share_a_tree_in_which_the_kernels_are_compiled_once():
    ort, trt = (
        BuildPlan.find([layout.library(name)], fetch=False) for name in ("vmamba_ort", "vmamba_trt")
    )
    assert ort.tree() == trt.tree()
    assert ort.tree() != BuildPlan.find([layout.library("vmamba_cpu")]).tree()
    # A library whose headers are gone must not stop the others.
    assert "-DVMAMBA_TENSORRT=OFF" in ort.cmake_options()


def test_builds_once_and_reports_progress(own_cache):
    steps: list[tuple[str, float | None]] = []
    path = native.library_path("vmamba_cpu", progress=lambda *step: steps.append(step))
    assert path.is_relative_to(own_cache / "build" / "native")
    fractions = [part for _, part in steps if part is not None]
    assert steps[0] == ("configuring libvmamba_cpu.so", None)
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert ctypes.CDLL(str(path)).tiny() == 42
    steps.clear()
    assert native.library_path("vmamba_cpu", progress=lambda *step: steps.append(step)) == path
    assert steps == []


def test_a_compile_error_is_shown_and_leaves_nothing(own_cache):
    broken = own_cache / "plugins/kernels/cpu/tiny.cpp"
    broken.write_text("this is no C++\n")
    with pytest.raises(BuildError, match=r"tiny\.cpp") as caught:
        native.library_path("vmamba_cpu")
    log = Path((caught.value.hint or "").removeprefix("the whole log: "))
    assert "this is no C++" in log.read_text()
    assert not list(own_cache.glob("build/native/*/libvmamba_cpu.so"))


def _build_in_child(folder: Path) -> None:
    for module in (layout, building):
        module.source_folder = lambda: folder / "plugins"  # type: ignore[assignment]
    with (folder / f"steps-{os.getpid()}").open("w") as file:
        native.library_path("vmamba_cpu", progress=lambda what, part: file.write(f"{what}\n"))


def test_changed_sources_are_built_anew(own_cache):
    before = native.library_path("vmamba_cpu")
    (own_cache / "plugins/kernels/cpu/tiny.cpp").write_text('extern "C" int tiny() { return 7; }\n')
    after = native.library_path("vmamba_cpu")
    assert before != after
    assert ctypes.CDLL(str(after)).tiny() == 7
    assert len(list(own_cache.glob("build/native/tree-*"))) == 1


def test_sources_that_change_during_the_build_are_built_again(own_cache):
    source = own_cache / "plugins/kernels/cpu/tiny.cpp"
    edits = iter(['extern "C" int tiny() { return 8; }\n'])

    def edit_once(what: str, part: float | None) -> None:
        text = None if part is None else next(edits, None)
        if text is not None:
            source.write_text(text)

    path = native.library_path("vmamba_cpu", progress=edit_once)
    assert path == native.library_path("vmamba_cpu")
    assert ctypes.CDLL(str(path)).tiny() == 8


def test_two_processes_build_it_once(own_cache):
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=_build_in_child, args=(own_cache,)) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join(120)
    assert [child.exitcode for child in children] == [0, 0]
    configured = sum("configuring" in f.read_text() for f in own_cache.glob("steps-*"))
    assert configured == 1


def test_old_builds_are_pruned(tmp_path):
    from vmamba_deploy.native.building import LIBRARIES_KEPT, TREES_KEPT, prune_builds

    for number in range(30):
        for name in (f"tree-{number:02}", f"{number:016x}"):
            folder = tmp_path / name
            folder.mkdir()
            os.utime(folder, (number, number))
    prune_builds(tmp_path, keep=[tmp_path / f"{0:016x}"])
    left = {path.name for path in tmp_path.iterdir()}
    assert {name for name in left if name.startswith("tree-")} == {
        f"tree-{number:02}" for number in range(30 - TREES_KEPT, 30)
    }
    assert f"{0:016x}" in left
    assert len([name for name in left if not name.startswith("tree-")]) == LIBRARIES_KEPT + 1


def test_an_old_gcc_is_found_for_nvcc(tmp_path, monkeypatch):
    for major in (11, 13, 16):
        script = tmp_path / f"g++-{major}"
        script.write_text(
            f'#!/bin/sh\ncase "$1" in --version) echo "g++ {major}";; *) echo {major};; esac\n'
        )
        script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    found = toolchain.find_gcc(15)
    assert found is not None
    assert found.gcc_major == 13
