"""VM-UNet of the golden data, exported and run by ONNX Runtime: what the public code gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.inference.golden_files import exported_once
from tests.vmunet_golden import NAMES, arrays, check, export_golden
from vmamba_deploy.runtimes.onnxruntime import OnnxRuntimeBody, OnnxRuntimeLibrary


@pytest.fixture(params=NAMES)
def exported(request: pytest.FixtureRequest, run_folder: Path) -> tuple[str, Path]:
    return request.param, exported_once(run_folder, "vmunet", request.param, export_golden)


@pytest.mark.parametrize("manner", [OnnxRuntimeBody, OnnxRuntimeLibrary])
def test_in_every_manner(exported, manner):
    name, path = exported
    session = manner(path, threads=1).open()
    try:
        check(session(arrays(name)["input"]), name, magnified=1)
    finally:
        session.close()
