"""A network that a user brings goes from its file to an engine, by `vmamba-deploy` alone."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import numpy as np
import onnxruntime
import pytest
import torch
from click.testing import CliRunner, Result

from tests.pipeline.conftest import HAS_RTX
from tests.user_network.float64 import outputs_float64, weighted
from vmamba_deploy import native
from vmamba_deploy.adapting import op_scan
from vmamba_deploy.adapting.stand_ins import selective_scan_interface
from vmamba_deploy.cli.app import cli
from vmamba_deploy.errors import ExitCode, UsageError
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.inference import UserModel, load
from vmamba_deploy.ops.selective_scan.specification import SELECTIVE_SCAN
from vmamba_deploy.pipeline.parity import compared_axes
from vmamba_deploy.runtimes.onnxruntime import create_session

SOURCE = Path(__file__).parents[2] / "samples" / "your_network" / "sharpener.py"
INPUTS = ("--input", "image=1x3x64x64", "--input", "gain=1x16")
FREE = ("--dynamic", "image=0,2:height,3:width", "--dynamic", "gain=0")
OUTPUTS = ("--outputs", "sharp:image,logits:logits,labels")


def run(*words: object) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words])


def last_line(result: Result) -> Any:
    return json.loads(result.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody's folder: the file of a network, and a checkpoint of its training."""
    folder = tmp_path_factory.mktemp("theirs")
    shutil.copy(SOURCE, folder / "net.py")
    weights = {f"module.{name}": one for name, one in weighted().state_dict().items()}
    ema = {name: one * 0.9 for name, one in weights.items()}
    torch.save({"model": weights, "model_ema": ema, "epoch": 7}, folder / "w.pth")
    return folder


@pytest.fixture(scope="module")
def exported(place: Path) -> Result:
    """By the command line, with an engine where one can be built."""
    engine = ("--trt", "rtx", "--batch", "1,2,4") if HAS_RTX else ("--no-engine",)
    network = ("--network", f"{place}/net.py:build", "--weights", place / "w.pth")
    return run("export", *network, *INPUTS, *FREE, *OUTPUTS, *engine, "-o", place / "out", "--json")


@pytest.fixture(scope="module")
def folder(exported: Result, place: Path) -> Path:
    assert exported.exit_code == ExitCode.OK, exported.output
    return place / "out"


def arrays(batch: int, height: int = 64, width: int = 64) -> dict[str, Any]:
    generator = np.random.default_rng()
    return {
        "image": generator.standard_normal((batch, 3, height, width), dtype=np.float32),
        "gain": generator.standard_normal((batch, 16), dtype=np.float32),
    }


def agree(got: dict[str, Any], given: dict[str, Any], tolerance: float = 1e-4) -> None:
    wanted = outputs_float64(weighted(), **given)
    assert set(got) == set(wanted)
    for name in ("sharp", "logits"):
        np.testing.assert_allclose(got[name], wanted[name], rtol=tolerance, atol=tolerance)
    assert (got["labels"] == wanted["labels"]).mean() > 1 - 10 * tolerance


def test_the_export_is_proven_and_says_what_it_is(exported: Result, folder: Path) -> None:
    said = last_line(exported)
    assert (said["status"], said["preset"], said["exit_code"]) == ("complete", "custom", 0)
    passed = {run["runtime"] for run in said["parity"] if run["status"] == "passed"}
    assert {"pytorch", "onnxruntime-body", "onnxruntime-library"} <= passed
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["interface"] == {
        "network": "net.py:build",
        "kinds": {"sharp": "image", "logits": "logits", "labels": "label_map"},
        "axes": {"batch": 1, "height": 64, "width": 64},
        "values": {},
    }
    assert manifest["preprocessing"] is None
    assert manifest["weights"]["key"] == "model"
    image, gain = manifest["onnx"]["inputs"]
    assert (image["name"], image["shape"]) == ("image", ["batch", 3, "height", "width"])
    assert (gain["name"], gain["shape"]) == ("gain", ["batch", 16])
    outputs = [(one["name"], one["dtype"]) for one in manifest["onnx"]["outputs"]]
    assert outputs == [("sharp", "float32"), ("logits", "float32"), ("labels", "int64")]
    report = json.loads((folder / "report.json").read_text())
    sets = [one["name"] for one in report["runs"][0]["inputs"]]
    assert sets == [
        "random-b1",
        "random-b2" if HAS_RTX else "random-b8",
        "random-b1-height32-width32",
        "random-b1-height32",
        "noise-b1",
    ]
    layers = [one["layer"] for one in report["layers"][0]["errors"]]
    assert "model.module.mixers.0" in layers


@pytest.mark.parametrize("size", [1, 8, 32, 33, 48, 64, 96, 224])
def test_every_free_axis_is_compared_at_a_size_that_was_not_traced(
    folder: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    facts = OnnxModel.read(folder / "model.onnx")
    axes = {"batch": 1, "height": size, "width": size + 1}
    monkeypatch.setattr(OnnxModel, "interface", msgspec.structs.replace(facts.interface, axes=axes))
    compared = compared_axes(facts, (1, 2, 8))
    for name, traced in axes.items():
        assert {sizes[name] for sizes in compared} > {traced}
        assert max(sizes[name] for sizes in compared) <= 2 * traced


def test_each_scan_is_a_node_with_its_definition_in_the_file(folder: Path) -> None:
    model = OnnxModel.read(folder / "model.onnx")
    assert model.nodes_by_op == {SELECTIVE_SCAN.op_type: 4}
    assert model.has_function_body
    assert model.nodes < 150


@pytest.mark.skipif(not HAS_RTX, reason="TensorRT-RTX is not installed")
def test_the_engine_has_a_plugin_layer_for_each_of_them(folder: Path) -> None:
    engine = json.loads((folder / "manifest.json").read_text())["engine"]
    assert engine["built"]
    assert engine["plugin_layers"] == 4
    assert engine["profile"] == {
        "min": [1, 3, 32, 32],
        "opt": [2, 3, 64, 64],
        "max": [4, 3, 128, 128],
    }
    script = (folder / "polygraphy_network.py").read_text()
    assert "--trt-max-shapes image:[4,3,128,128] gain:[4,16]" in script


@pytest.mark.parametrize("library", [False, True])
def test_onnxruntime_gives_what_float64_gives_at_other_sizes(folder: Path, library: bool) -> None:
    path, given = folder / "model.onnx", arrays(3, 32, 48)
    if library:
        session = create_session(path, library=native.library_path("vmamba_ort"))
    else:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_outputs()]
    agree(dict(zip(names, session.run(None, given), strict=True)), given)


def test_an_application_gives_arrays_by_name(folder: Path) -> None:
    with load(folder, runtime="ort", max_batch=2) as model:
        assert isinstance(model, UserModel)
        given = arrays(5)
        agree(model(**given), given)  # in three executions
        agree(model(given["image"], gain=given["gain"]), given)
        for wrong, words in (
            ({"image": given["image"]}, "takes image, gain, got image"),
            ({**given, "gain": given["gain"][:2]}, r"gain \[5,16\] of float32, got \[2, 16\]"),
            ({**given, "image": given["image"].astype(np.float64)}, "got .* of float64"),
        ):
            with pytest.raises(UsageError, match=words):
                model(**wrong)
        with pytest.raises(UsageError, match="nothing says how images become image"):
            model.preprocess([np.zeros((64, 64, 3), np.uint8)])
        with pytest.raises(UsageError, match="image is given twice"):
            model(given["image"], **given)


def test_it_is_compared_again_where_its_file_is_named(folder: Path, place: Path) -> None:
    network = ("--network", f"{place}/net.py:build")
    compared = run("compare", folder, *network, "--batch", "2", "--json")
    assert compared.exit_code == 0, compared.output
    statuses = {one["status"] for one in last_line(compared)["parity"]}
    assert statuses <= {"passed", "skipped"}
    refused = run("compare", folder)
    assert refused.exit_code == ExitCode.USAGE
    assert "name the function that makes it, with --network FILE.py:FUNCTION" in refused.output
    other = place / "other.pth"
    torch.save({"model": weighted(6).state_dict()}, other)
    moved = run("compare", folder, *network, "--weights", other)
    assert moved.exit_code == ExitCode.BAD_INPUT
    assert "was exported from" in moved.output


def test_the_other_commands_take_it_or_say_why_not(folder: Path, place: Path) -> None:
    network = ("--network", f"{place}/net.py:build")
    timed = run("bench", folder, *network, "--repeats", "1")
    assert timed.exit_code == 0, timed.output
    assert "onnxruntime-library" in timed.output
    info = run("info", folder, "--json")
    assert last_line(info)["interface"]["network"] == "net.py:build"
    for words, message in (
        (("predict", folder, SOURCE), "custom"),
        (("evaluate", folder, "--data", place), "custom"),
        (("package", "--triton", place / "repo", folder), "is no classifier"),
    ):
        refused = run(*words)
        assert refused.exit_code in (ExitCode.USAGE, ExitCode.BAD_INPUT), refused.output
        assert message in refused.output
        assert "Traceback" not in refused.output


@pytest.mark.skipif(not HAS_RTX, reason="TensorRT-RTX is not installed")
def test_an_engine_of_other_shapes_is_built_from_the_folder_alone(
    folder: Path, tmp_path: Path
) -> None:
    shapes = "image:1x3x32x64/2x3x64x64/2x3x64x96"
    built = run("build", folder, "-o", tmp_path / "out", "--trt", "rtx", "--shapes", shapes)
    assert built.exit_code == 0, built.output
    engine = json.loads((tmp_path / "out" / "manifest.json").read_text())["engine"]
    assert engine["profile"]["max"] == [2, 3, 64, 96]
    refused = run(
        "build", folder, "-o", tmp_path / "no", "--shapes", "1x1x32x32/1x1x32x32/1x1x32x32"
    )
    assert refused.exit_code == ExitCode.USAGE
    assert "axis 1 of image is fixed at 3" in refused.output


def _swapped(call: Any) -> Any:
    """B and C of every scan change places."""
    return op_scan.scan_by_op(replace(call, b=call.c, c=call.b))


def test_a_wrong_adaptation_is_found_by_parity_and_the_layer_is_named(place: Path) -> None:
    network = ("--network", f"{place}/net.py:build", "--weights", place / "w.pth")
    with patch.object(selective_scan_interface, "scan_by_op", _swapped):
        failed = run(
            "export", *network, *INPUTS, *OUTPUTS, "--no-engine", "-o", place / "wrong", "--json"
        )
    assert failed.exit_code == ExitCode.PARITY_FAILED, failed.output
    assert not (place / "wrong").exists()
    report = json.loads((place / "wrong.failed" / "report.json").read_text())
    statuses = {one["runtime"]: one["status"] for one in report["runs"]}
    assert statuses["pytorch"] == statuses["onnxruntime-body"] == "failed"
    for series in report["layers"]:
        assert series["first_drift"] == "model.module.mixers.0"
