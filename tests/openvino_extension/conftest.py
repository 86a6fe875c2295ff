"""A core of OpenVINO that knows our ops, and the module that these tests share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from vmamba_deploy import native

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def extension() -> Path:
    pytest.importorskip("openvino")
    return native.library_path("vmamba_openvino")


@pytest.fixture(scope="session")
def core(extension):
    import openvino

    core = openvino.Core()
    core.add_extension(str(extension))
    return core
