"""The CPU kernels for 64-bit ARM: built by a cross compiler, run by an emulator of that machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

from vmamba_deploy.native import layout, toolchain
from vmamba_deploy.native.headers import ONNXRUNTIME

COMPILER, EMULATOR = "aarch64-linux-gnu-g++", "qemu-aarch64"
DISASSEMBLER = "aarch64-linux-gnu-objdump"
SYSTEM = Path("/usr/aarch64-linux-gnu")  # where Debian puts the libraries of that machine
_PACKAGES = {
    COMPILER: "g++-aarch64-linux-gnu",
    DISASSEMBLER: "binutils-aarch64-linux-gnu",
    EMULATOR: "qemu-user",
}


@dataclass(frozen=True)
class ArmBuild:
    """A tree of the CMake preset `aarch64`."""

    tree: Path

    def call(self, arguments: Sequence[str | Path], kernel: str = "") -> str:
        """Run `call_program`; what it says that the kernels ran.

        Args:
            arguments: an op, a file with its call and one for y, and so on.
            kernel: the value of VMAMBA_CPU_ISA.
        """
        command = [EMULATOR, "-L", SYSTEM, self.tree / "bin" / "call_program", *arguments]
        return run(command, environment={"VMAMBA_CPU_ISA": kernel}).strip()

    def disassembled(self, build: str) -> str:
        """The instructions of one of the kernels' builds."""
        (compiled,) = self.tree.rglob(f"build_{build}.cpp.o")
        return run([DISASSEMBLER, "--disassemble", "--no-show-raw-insn", compiled])


def arm_build() -> ArmBuild:
    """Built as docs/edge.md says, and kept for the next run; skips without the tools."""
    missing = [package for tool, package in _PACKAGES.items() if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"needs {' '.join(missing)} of Debian or Ubuntu")
    tree = layout.cache_folder() / "cmake" / "aarch64-pytest"
    tree.parent.mkdir(parents=True, exist_ok=True)
    cmake, ninja = toolchain.require_tool("cmake"), toolchain.require_tool("ninja")
    options = ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}", "-DVMAMBA_WERROR=ON"]
    options += ["-DVMAMBA_ONNXRUNTIME=ON", f"-DONNXRUNTIME_INCLUDE_DIR={ONNXRUNTIME.require()}"]
    with FileLock(tree.with_name(".aarch64-pytest.lock")):
        run([cmake, "--preset", "aarch64", "-B", tree, *options])
        wanted = ("vmamba_cpu", "vmamba_ort", "call_program", "cpu_vector_math_neon")
        run([cmake, "--build", tree, "--target", *wanted])
    return ArmBuild(tree)


def run(command: Sequence[str | Path], environment: dict[str, str] | None = None) -> str:
    """What the command prints, run beside the native sources."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=layout.source_folder(),
        env=os.environ | (environment or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    return done.stdout
