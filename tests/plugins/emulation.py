"""Compiling the CUDA sources for the host."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
EMULATION = PLUGINS / "tests" / "emulation"
EMULATOR_SOURCES = (
    EMULATION / "block_run.cpp",
    EMULATION / "device.cpp",
    EMULATION / "fiber.cpp",
    EMULATION / "race_detector.cpp",
    PLUGINS / "kernels" / "common" / "last_error.cpp",
    PLUGINS / "kernels" / "cuda" / "shared" / "launch_plan.cpp",
    PLUGINS / "kernels" / "cuda" / "one_state" / "plan.cpp",
    PLUGINS / "kernels" / "cuda" / "many_states" / "plan.cpp",
)
EMULATED_SOURCES = (
    *EMULATOR_SOURCES,
    PLUGINS / "kernels" / "cuda" / "selective_scan_2d.cu",
    PLUGINS / "kernels" / "cuda" / "shared" / "scan_params.cpp",
    PLUGINS / "kernels" / "common" / "validate.cpp",
)
SANITIZER_FLAGS = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
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
    output: Path, *arguments: str | Path, sources: Sequence[Path] = EMULATED_SOURCES
) -> Path:
    """Compile the CUDA sources for the host with g++; skips where there is none."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("g++ is not installed")
    command = [compiler, *EMULATION_FLAGS, *arguments, "-x", "c++", *sources, "-o", output]
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return output
