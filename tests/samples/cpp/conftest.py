"""The C++ programs, built once per session, and folders for them to open."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from vmamba_deploy.pipeline.export_run import run_export
from vmamba_deploy.pipeline.plan import EnginePlan, ExportPlan

# The helpers beside the tests are modules of their own.
sys.path.insert(0, str(Path(__file__).parent))

GOLDEN = Path(__file__).parents[2] / "data" / "golden"
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
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network with 10 classes for images of 32 x 64, with an engine if RTX is here."""
    plan = ExportPlan(
        model=None,
        weights=str(GOLDEN / "vssm_s1.pth"),
        output=tmp_path_factory.mktemp("cpp") / "exported",
        image_size=(32, 64),
        build_engine=HAS_RTX,
        engine=EnginePlan(flavour="rtx", batches=(1, 2, 4)),
    )
    return run_export(plan, lambda event: None).folder
