"""The polygraphy commands of the README, on an exported folder, as a user's CI runs them."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import HANG_S
from vmamba_deploy.artifacts.manifest import read_manifest

BIN = Path(sys.executable).parent
SCRIPT = ("polygraphy_network.py", "--model-type", "trt-network-script")


def run(*command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    program, *arguments = (str(word) for word in command)
    return subprocess.run(
        [str(BIN / program), *arguments],
        env={**os.environ, "POLYGRAPHY_USE_TENSORRT_RTX": "1"},
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=HANG_S,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(digits_artifact) -> Path:
    return digits_artifact("fp32")


@pytest.fixture(scope="module")
def saved(folder, tmp_path_factory) -> Path:
    """PyTorch's inputs and outputs, saved by `compare`, beside a report of the comparison."""
    place = tmp_path_factory.mktemp("saved")
    options = ("--batch", "1,2", "--save-polygraphy", "reference", "--report", "report")
    result = run("vmamba-deploy", "compare", folder, *options, cwd=place)
    assert result.returncode == 0, result.stdout
    assert (place / "report" / "report.json").exists()
    return place


def onnxrt(saved: Path, folder: Path, tolerance: float) -> subprocess.CompletedProcess[str]:
    return run(
        *("polygraphy", "run", "model.onnx", "--onnxrt"),
        *("--load-inputs", saved / "reference-inputs.json"),
        *("--load-outputs", saved / "reference-outputs.json"),
        *("--atol", tolerance, "--rtol", tolerance),
        cwd=folder,
    )


def test_polygraphy_confirms_onnxruntime_against_pytorch(saved, folder):
    result = onnxrt(saved, folder, 1e-4)
    assert result.returncode == 0, result.stdout
    assert onnxrt(saved, folder, 1e-12).returncode != 0


@pytest.mark.skipif(
    importlib.util.find_spec("tensorrt_rtx") is None, reason="TensorRT-RTX is not installed"
)
def test_polygraphy_parses_and_builds_with_the_plugin(folder, tmp_path):
    shown = run("polygraphy", "inspect", "model", *SCRIPT, "--show", "layers", cwd=folder)
    assert shown.returncode == 0, shown.stdout
    assert shown.stdout.count("PLUGIN_V3") == read_manifest(folder).engine.plugin_layers
    shapes = (
        *("--trt-min-shapes", "pixel_values:[1,3,32,32]"),
        *("--trt-opt-shapes", "pixel_values:[2,3,32,32]"),
        *("--trt-max-shapes", "pixel_values:[4,3,32,32]"),
    )
    engine = tmp_path / "polygraphy.engine"
    built = run("polygraphy", "convert", *SCRIPT, "-o", engine, *shapes, cwd=folder)
    assert built.returncode == 0, built.stdout
    assert engine.stat().st_size > 100_000
