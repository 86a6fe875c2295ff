"""Compiling the CUDA sources for the host."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.kept import kept, kept_for_later_runs

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
EMULATION = PLUGINS / "tests" / "emulation"
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
    PLUGINS / "kernels" / "cuda" / "selective_scan.cu",
    PLUGINS / "kernels" / "cuda" / "shared" / "scan_params.cpp",
    PLUGINS / "kernels" / "cuda" / "multi_level_roi_align.cu",
)
# What the adapters need beside the C interface.
SIGNATURE_SOURCES = tuple(
    PLUGINS / "kernels" / "common" / name
    for name in ("signature.cpp", "scan_op.cpp", "roi_align_op.cpp")
)
SANITIZER_FLAGS = ("-O1", "-g1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
VECTOR_FLAGS = ("-mfma", "-mf16c")
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
    objects: Sequence[Path] = (),
) -> Path:
    """Compile the CUDA sources for the host with g++; skips where there is none.

    Objects and results are kept, so that programs compiled with the same flags share what they
    have in common.

    Args:
        flags: of every source and of the link.
        own: sources beside those of the emulation, and `options` of these and of the link.
        sources: of the emulation.
        objects: compiled already.
    """
    parts = [compile_object(source, flags) for source in sources]
    parts += [compile_object(source, [*flags, *options]) for source in own]
    command = [*flags, *options, *parts, *objects]
    return _kept(command, command, "")


def compile_object(
    source: Path, flags: Sequence[str | Path], *, where: Sequence[str | Path] = ()
) -> Path:
    """One source alone, compiled for the host with g++; `where` are options for its includes."""
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
