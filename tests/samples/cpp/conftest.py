"""The C++ programs, built once per session, and folders for them to open."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.samples.cpp.building import (
    SAMPLES,
    WARNINGS,
    build,
    onnxruntime_settings,
    rtx_settings,
)
from tests.samples.cpp.programs import Program, program

HAS_RTX = find_spec("tensorrt_rtx_libs") is not None


@pytest.fixture(scope="session")
def programs() -> Path:
    """The folder of classify and throughput, with ONNX Runtime and, if it is here, TensorRT-RTX."""
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
    return build(Path(__file__).parent, "checks", {})


@pytest.fixture(scope="session")
def exported(digits_artifact: Callable[..., Path]) -> Path:
    """The digits model: ONNX file, custom-op library, and an engine if TensorRT-RTX is here."""
    return digits_artifact("fp32", engine=HAS_RTX)
