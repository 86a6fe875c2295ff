"""Compiling the CUDA sources for the host."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.kept import kept, kept_for_later_runs

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
EMULATION = PLUGINS / "tests" / "emulation"
SCAN_KERNELS = PLUGINS / "kernels" / "cuda" / "selective_scan.cu"
EMULATOR_SOURCES = (
    EMULATION / "block_run.cpp",
    EMULATION / "device.cpp",
    EMULATION / "fiber.cpp",
    EMULATION / "race_detector.cpp",
    *sorted((PLUGINS / "kernels" / "common").glob("validate*.cpp")),
    PLUGINS / "kernels" / "cuda" / "shared" / "launch_plan.cpp",
    PLUGINS / "kernels" / "cuda" / "shared" / "sorted_routes.cpp",
    PLUGINS / "kernels" / "cuda" / "one_state" / "plan.cpp",
    PLUGINS / "kernels" / "cuda" / "many_states" / "plan.cpp",
    PLUGINS / "kernels" / "cuda" / "roi_align" / "plan.cpp",
)
EMULATED_SOURCES = (
    *EMULATOR_SOURCES,
    SCAN_KERNELS,
    PLUGINS / "kernels" / "cuda" / "shared" / "scan_params.cpp",
    PLUGINS / "kernels" / "cuda" / "multi_level_roi_align.cu",
)
# What the adapters need beside the C interface.
SIGNATURE_SOURCES = tuple(
    PLUGINS / "kernels" / "common" / name
    for name in ("signature.cpp", "scan_op.cpp", "roi_align_op.cpp")
)
# Instrumented code is long: to optimise it further takes longer than that saves.
SANITIZER_FLAGS = ("-Og", "-g1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
VECTOR_FLAGS = ("-mfma", "-mf16c")
PLAIN_FLAGS = ("-O1", *VECTOR_FLAGS)
EMULATION_FLAGS = (
    "-std=c++17",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wno-unknown-pragmas",
    "-ffp-contract=off",
    "-fno-strict-aliasing",  # as nvcc compiles: vector loads of what was stored one by one
    "-fPIC",
    "-fvisibility=hidden",
    "-DVMAMBA_HOST_EMULATION",
    f"-I{PLUGINS / 'include'}",
    f"-I{PLUGINS / 'kernels'}",
    f"-I{EMULATION}",
    f"-I{PLUGINS / 'tests'}",
)


def compile_emulated(
    flags: Sequence[str],
    own: Sequence[Path] = (),
    *,
    options: Sequence[str | Path] = (),
    sources: Sequence[Path] = EMULATED_SOURCES,
    instead: Mapping[Path, Path] | None = None,
    objects: Sequence[Path] = (),
    link: Sequence[str] = (),
) -> Path:
    """Compile the CUDA sources for the host with g++; skips where there is none.

    Objects and results are kept, so that programs compiled with the same flags share what they
    have in common.

    Args:
        flags: of every source and of the link.
        own: sources beside those of the emulation, and `options` of these and of the link.
        sources: of the emulation.
        instead: objects that take the places of some of these sources.
        objects: compiled already, beside them.
        link: flags of the link alone.
    """
    others = instead or {}
    parts = [others.get(source) or compile_object(source, flags) for source in sources]
    parts += [compile_object(source, [*flags, *options]) for source in own]
    command = [*flags, *link, *options, *parts, *objects]
    return _kept(command, command, "")


def scan_kernels_of_half(folder: Path) -> Path:
    """A copy of the kernels, made in `folder`, whose scans take every input for half precision.

    It compiles in a third of the time.

    Returns:
        The copy of `plugins/kernels`: "-iquote" for what is compiled of it.
    """
    copy = folder / "kernels"
    shutil.copytree(PLUGINS / "kernels", copy)
    source = copy / "cuda" / SCAN_KERNELS.name
    text = source.read_text()
    for element in ("float", "__nv_bfloat16"):
        assert text.count(f"of_element({element}{{}})") == 1
        text = text.replace(f"of_element({element}{{}})", "of_element(__half{})")
    source.write_text(text)
    return copy


def compile_object(
    source: Path, flags: Sequence[str | Path], *, where: Sequence[str | Path] = ()
) -> Path:
    """One source alone, compiled for the host with g++.

    Args:
        where: options for its includes, and others that leave the object as it is.
    """
    words = ["-c", *EMULATION_FLAGS, *flags]
    command = [*words, *where, "-x", "c++", source]
    return _kept([words, _gcc(*command, "-E", "-P")], command, ".o")


def _kept(depends_on: object, command: Sequence[str | Path], suffix: str) -> Path:
    place, key = kept_for_later_runs("emulated"), [_gcc("--version"), depends_on]
    return kept(place, key, lambda path: _gcc(*command, "-o", path), suffix)


def _gcc(*arguments: str | Path) -> str:
    """What it prints."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("g++ is not installed")
    command = [compiler, *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout
