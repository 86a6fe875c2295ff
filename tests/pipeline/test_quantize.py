"""What is calibrated on is said, and never noise: of a network of a user's, and of one in fp16."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from click.testing import CliRunner

import vmamba_deploy
from tests.digits import WEIGHTS
from tests.pipeline.test_export_module import Tokens, tokens
from vmamba_deploy.artifacts.manifest import read_manifest
from vmamba_deploy.cli import cli
from vmamba_deploy.errors import UsageError
from vmamba_deploy.exporting.narrow_scans import wide_scans
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.pipeline import quantize as quantize_module
from vmamba_deploy.quantization.results import Check, QuantizationProof


def test_without_images_and_without_arrays_it_is_refused(tmp_path) -> None:
    with pytest.raises(UsageError, match="cannot be calibrated"):
        vmamba_deploy.export(
            Tokens(), tokens(1, 6), tmp_path / "out", engine=False, precision="int8"
        )
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_it_is_calibrated_on_what_was_given(tmp_path) -> None:
    torch.manual_seed(0)
    outcome = vmamba_deploy.export(
        Tokens().eval(),
        tokens(1, 6),
        tmp_path / "out",
        engine=False,
        precision="int8",
        calibration=[tokens(1, 6), tokens(1, 6)],
    )
    facts = outcome.manifest.quantization
    assert outcome.manifest.status == "complete"
    assert (facts.samples, list(facts.images)) == (2, ["sample 0", "sample 1"])
    assert facts.quantized
    assert {check.name: check.status for check in outcome.proof.checks}["structure"] == "passed"


def test_of_another_exporters_file_only_the_structure_is_judged_anew(monkeypatch) -> None:
    """What a runtime made of it fails the proof as before."""
    told = (Check("structure", "failed", "another node"), Check("engine", "failed", "0 of 4"))
    shown = Check("structure", "skipped", "another node")
    for name, result in (
        ("exported_base", None),
        ("prove_quantized", QuantizationProof(None, (), told)),
        ("check_foreign_structure", shown),
    ):
        monkeypatch.setattr(quantize_module, name, lambda *_a, result=result, **_k: result)
    file = SimpleNamespace(quantization=object(), structured=lambda _key: {"torch": "0"})
    proof = quantize_module.prove_anew(
        file, None, engine=None, batches=(1,), progress=lambda *_args: None
    )
    assert proof.checks == (shown, told[1])
    assert proof.failures == ["engine: 0 of 4"]


@pytest.mark.slow
def test_a_calibrated_export_in_fp16_has_narrow_scans_and_agrees(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    options = ("--weights", WEIGHTS, "--image-size", 32, "--fp16", "--calibrate", "photos")
    arguments = ["export", *options, "--no-engine", "--json", "--output", folder]
    done = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout.splitlines()[-1])
    runs = {run["runtime"]: run for run in result["parity"]}
    assert runs["onnxruntime-library"]["status"] == runs["onnxruntime-body"]["status"] == "passed"
    file, manifest = OnnxModel.read(folder / "model.onnx"), read_manifest(folder)
    assert (manifest.status, manifest.precision, manifest.quantization) == (
        "complete",
        "fp16",
        None,
    )
    assert not wide_scans(file.ir)
    assert len(file.our_nodes) == 4
    assert manifest.calibration == file.calibration
    assert 0 < manifest.calibration.largest_scan < 8188
    report = json.loads((folder / "report.json").read_text())
    assert report["calibration"]["largest_scan"] == manifest.calibration.largest_scan
    page = (folder / "report.html").read_text()
    assert re.search(
        r"Results of scans reach [\d.]+ on 24 samples of 6 files: they are float16", page
    )


def test_what_cannot_be_calibrated_is_refused_before_anything_runs(tmp_path: Path) -> None:
    arguments = [
        "export",
        "--model",
        "t",
        "--bf16",
        "--calibrate",
        "photos",
        "--output",
        str(tmp_path / "out"),
    ]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 2
    assert "there is nothing to calibrate in bf16" in done.stderr
    assert not (tmp_path / "out").exists()
