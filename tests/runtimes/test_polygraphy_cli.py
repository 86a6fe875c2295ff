"""The polygraphy commands of samples/polygraphy, as a user's shell runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.processes import HANG_S
from tests.runtimes.engine_header import version_of
from vmamba_deploy.errors import UsageError
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.runtimes.cuda_driver import find_gpus
from vmamba_deploy.runtimes.onnxruntime import OnnxRuntimeBody
from vmamba_deploy.runtimes.polygraphy_data import save_polygraphy_io
from vmamba_deploy.runtimes.tensorrt.network_script import write_network_script

MODEL_TYPE = ("--model-type", "trt-network-script")
SHAPES = (
    *("--trt-min-shapes", "pixel_values:[1,3,6,5]", "--trt-opt-shapes", "pixel_values:[2,3,6,5]"),
    *("--trt-max-shapes", "pixel_values:[4,3,6,5]"),
)


def polygraphy(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the installed tool on TensorRT-RTX; stdout and stderr together."""
    program = str(Path(sys.executable).with_name("polygraphy"))
    return subprocess.run(
        [program, *map(str, arguments)],
        env={**os.environ, "POLYGRAPHY_USE_TENSORRT_RTX": "1"},
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=HANG_S,
        check=False,
    )


@pytest.fixture
def script(rtx, plugin, scan_model, tmp_path) -> Path:
    model = OnnxModel.read(scan_model(scans=2))
    return write_network_script(model, plugin, tmp_path / "net.py")


def test_inspect_shows_the_parsed_network(script, tmp_path):
    result = polygraphy("inspect", "model", script.name, *MODEL_TYPE, cwd=tmp_path)
    assert result.returncode == 0, result.stdout
    assert "pixel_values" in result.stdout
    assert "logits" in result.stdout


def test_inspect_shows_the_plugin_layers(script, tmp_path):
    options = (*MODEL_TYPE, "--show", "layers")
    result = polygraphy("inspect", "model", script.name, *options, cwd=tmp_path)
    assert result.returncode == 0, result.stdout
    assert result.stdout.count("PLUGIN_V3") == 2


def test_convert_builds_an_engine(rtx, script, tmp_path):
    arguments = ("convert", script.name, *MODEL_TYPE, "-o", "model.engine", *SHAPES)
    result = polygraphy(*arguments, cwd=tmp_path)
    assert result.returncode == 0, result.stdout
    assert version_of(tmp_path / "model.engine") == rtx.version


def test_a_scan_that_fell_back_to_its_body_stops_the_script(rtx, plugin, scan_model, tmp_path):
    model = OnnxModel.read(scan_model(scans=2, namespace=False))
    script = write_network_script(model, plugin, tmp_path / "net.py")
    result = polygraphy("inspect", "model", script.name, *MODEL_TYPE, cwd=tmp_path)
    assert result.returncode != 0
    assert "0 of 2 nodes became the plugin" in result.stdout


@pytest.mark.gpu
def test_run_executes_on_a_gpu(script, tmp_path, rtx):
    status = rtx.can_run_here(find_gpus())
    if not status.available:
        pytest.skip(status.reason)
    result = polygraphy("run", script.name, *MODEL_TYPE, "--trt", *SHAPES, cwd=tmp_path)
    assert result.returncode == 0, result.stdout


@pytest.fixture
def reference(scan_model, tmp_path):
    """A model, two iterations of inputs, and the outputs computed with another batch layout."""
    model = scan_model()
    generator = np.random.default_rng()
    images = [generator.standard_normal((n, 3, 6, 5), dtype=np.float32) for n in (1, 3)]
    session = OnnxRuntimeBody(model).open()
    logits = [np.concatenate([session(i[None])["logits"] for i in batch]) for batch in images]
    return model, images, logits


@pytest.mark.parametrize(("drift", "passes"), [(0.0, True), (0.01, False)])
def test_onnxruntime_is_compared_with_saved_outputs(reference, tmp_path, drift, passes):
    model, images, logits = reference
    inputs, outputs = save_polygraphy_io(
        tmp_path / "reference",
        [{"pixel_values": array} for array in images],
        [{"logits": array + np.float32(drift)} for array in logits],
    )
    saved = ("--load-inputs", inputs, "--load-outputs", outputs)
    limits = ("--atol", "1e-5", "--rtol", "1e-5")
    result = polygraphy("run", model, "--onnxrt", *saved, *limits, cwd=tmp_path)
    assert (result.returncode == 0) is passes, result.stdout
    assert ("PASSED" in result.stdout) is passes


def test_one_output_per_input(tmp_path):
    with pytest.raises(UsageError, match="one each"):
        save_polygraphy_io(tmp_path / "r", [{"pixel_values": np.zeros(1)}], [])


def test_the_stock_model_needs_no_plugin(scan_model, tmp_path):
    model = scan_model()
    assert onnx.load(str(model)).functions
    result = polygraphy("run", model.name, "--onnxrt", cwd=tmp_path)
    assert result.returncode == 0, result.stdout
