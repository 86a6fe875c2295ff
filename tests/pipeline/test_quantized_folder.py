"""Every command that takes a folder, on one whose linear layers are in 8 bits."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import numpy_helper

from tests.artifacts.rewriting import rewrite
from vmamba_deploy.cli import cli
from vmamba_deploy.errors import ExitCode

ON_THE_CPU = {"onnxruntime-body", "onnxruntime-library"}


@pytest.fixture(scope="module")
def folder(digits_artifact: Callable[..., Path]) -> Path:
    return digits_artifact("int8", engine=False)


def told(*words: object, code: ExitCode = ExitCode.OK) -> dict[str, Any]:
    """The result of a command."""
    result = CliRunner().invoke(cli, [*map(str, words), "--json"])
    assert result.exit_code == code, result.output
    said: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return said


def test_info_tells_what_is_in_eight_bits(folder: Path) -> None:
    said = told("info", folder)
    assert (said["precision"], said["quantization"]["base"]) == ("int8", "fp32")
    assert len(said["quantization"]["layers"]) == 22


def test_bench_says_why_there_is_no_pytorch_and_what_the_speed_ups_are_over(folder: Path) -> None:
    said = told("bench", folder, "--repeats", 1)
    timed = {row["runtime"]: row for row in said["latencies"]}
    assert timed.keys() >= ON_THE_CPU
    assert "pytorch" not in timed
    assert said["latencies"][0]["speedup"] == 1.0
    assert "no layers in int8" in said["skipped"]["pytorch"]
    assert "first row" in said["skipped"]["pytorch"]


def test_predict_gives_the_classes(folder: Path, digits_folder: Path) -> None:
    images = [sorted((digits_folder / str(digit)).glob("*.png"))[0] for digit in range(10)]
    said = told("predict", folder, *images, "--runtime", "ort")
    best = [one["classes"][0]["label"] for one in said["predictions"]]
    assert sum(label == image.parent.name for label, image in zip(best, images, strict=True)) >= 9


@pytest.mark.slow
def test_evaluate_agrees_with_pytorch(folder: Path, digits_folder: Path, tmp_path: Path) -> None:
    words = ("--data", digits_folder, "--runtime", "ort", "--output", tmp_path / "out")
    told("evaluate", folder, *words, "--against", "pytorch")
    written = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert (written["verdict"], written["artifact"]["precision"]) == ("passed", "int8")
    # Not the very answers of PyTorch in fp32, or nothing was in 8 bits.
    assert 1e-6 < written["agreement"]["nmse"] < 5e-3
    assert written["agreement"]["same"]["share"] >= 0.995


@pytest.mark.slow
def test_compare_proves_the_folder_anew(folder: Path) -> None:
    said = told("compare", folder, "--batch", "1,2")
    passed = {run["runtime"] for run in said["parity"] if run["status"] == "passed"}
    assert passed >= ON_THE_CPU
    proof = said["quantization"]
    assert (proof["quantized"], proof["layers"], proof["share"]) == (22, 22, 1.0)
    checks = {check["name"]: check["status"] for check in proof["checks"]}
    assert checks == {
        "structure": "passed",
        "onnxruntime": "passed",
        "openvino": "passed" if find_spec("openvino") else "skipped",
        "engine": "skipped",
        "launches": "skipped",
    }
    assert proof["base"]["pytorch"] == "passed"


@pytest.mark.slow
def test_compare_finds_one_stored_number_that_is_three_steps_off(
    folder: Path, tmp_path: Path
) -> None:
    """Far below what any limit of outputs can see."""
    broken = shutil.copytree(folder, tmp_path / "broken")
    model = onnx.load(str(broken / "model.onnx"))
    victim = next(
        one
        for one in model.graph.initializer
        if one.data_type == onnx.TensorProto.INT8 and one.dims
    )
    stored = numpy_helper.to_array(victim).copy()
    stored.flat[0] -= 3 if stored.flat[0] > 0 else -3
    victim.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(stored), victim.name))
    onnx.save(model, str(broken / "model.onnx"))
    rewrite(broken)
    said = told("compare", broken, "--batch", "1", code=ExitCode.PARITY_FAILED)
    assert all(run["status"] != "failed" for run in said["parity"])
    checks = {check["name"]: check["status"] for check in said["quantization"]["checks"]}
    assert checks["structure"] == "failed"
