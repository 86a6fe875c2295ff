"""The C++ programs, built once per session, and folders for them to open."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

# The helpers beside the tests are modules of their own.
sys.path.insert(0, str(Path(__file__).parent))

HAS_RTX = find_spec("tensorrt_rtx_libs") is not None


@dataclass(frozen=True)
class Outcome:
    """How a program ended."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The text of the line `error: ...`."""
        return self._line("error: ")

    @property
    def hint(self) -> str:
        """The text of the line `hint: ...`."""
        return self._line("hint: ")

    def _line(self, start: str) -> str:
        found = [line for line in self.err.splitlines() if line.startswith(start)]
        return found[0].removeprefix(start) if found else ""


Program = Callable[..., Outcome]


def program(path: Path) -> Program:
    """A function that runs the program."""

    def call(*arguments: object, environment: dict[str, str] | None = None) -> Outcome:
        done = subprocess.run(
            [str(path), *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env=environment,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture(scope="session")
def programs() -> Path:
    """The folder of classify and throughput, with ONNX Runtime and, if it is here, TensorRT-RTX."""
    from building import SAMPLES, WARNINGS, build, onnxruntime_settings, rtx_settings

    tensorrt = rtx_settings() if HAS_RTX else {"VMAMBA_TENSORRT": "OFF"}
    settings = {**onnxruntime_settings(), **tensorrt, "CMAKE_CXX_FLAGS": WARNINGS}
    return build(SAMPLES, "programs", settings)


@pytest.fixture(scope="session")
def classify(programs: Path) -> Program:
    return program(programs / "classify")


@pytest.fixture(scope="session")
def throughput(programs: Path) -> Program:
    return program(programs / "throughput")


@pytest.fixture(scope="session")
def checks() -> Path:
    """The folder of the sanitised programs of this folder."""
    from building import build

    return build(Path(__file__).parent, "checks", {})


@pytest.fixture(scope="session")
def exported(digits_artifact: Callable[..., Path]) -> Path:
    """The digits model: ONNX file, custom-op library, and an engine if TensorRT-RTX is here."""
    return digits_artifact("fp32", engine=HAS_RTX)
