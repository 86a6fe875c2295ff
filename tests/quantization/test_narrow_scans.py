"""Scans write float16 in a quantized file where calibration says that it fits, and only there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir
import pytest

from tests.digits import WEIGHTS
from vmamba_deploy.artifacts.quantization_facts import LARGEST_NARROW_SCAN
from vmamba_deploy.exporting.narrow_scans import wide_scans
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.models import load_weights
from vmamba_deploy.pipeline.events import Steps
from vmamba_deploy.pipeline.quantize import quantize
from vmamba_deploy.quantization.plan import QuantizationPlan
from vmamba_deploy.quantization.structure import check_structure

if TYPE_CHECKING:
    from vmamba_deploy.pipeline.events import Event


@pytest.fixture
def base(digits_artifact, tmp_path: Path) -> OnnxModel:
    return OnnxModel.read(digits_artifact("fp16") / "model.onnx").copied_to(tmp_path / "base.onnx")


def quantized(base: OnnxModel, path: Path) -> tuple[OnnxModel, OnnxModel, list[Event]]:
    events: list[Event] = []
    steps, loaded = Steps(events.append), load_weights(str(WEIGHTS))
    return *quantize(base, loaded, path, "int8", QuantizationPlan(), steps), events


def test_results_that_fit_are_float16_in_both_files(base: OnnxModel, tmp_path: Path) -> None:
    before, after, _ = quantized(base, tmp_path / "q.onnx")
    facts = after.quantization
    assert facts is not None
    assert 0 < facts.largest_scan < LARGEST_NARROW_SCAN
    assert not wide_scans(after.ir)
    assert not wide_scans(OnnxModel.read(before.path).ir)
    assert check_structure(before, after, facts).status == "passed"


def test_the_proof_sees_scans_that_are_not_as_in_the_base(base: OnnxModel, tmp_path: Path) -> None:
    original = OnnxModel.read(base.path)
    _, after, _ = quantized(base, tmp_path / "q.onnx")
    found = check_structure(original, after, after.quantization)
    assert found.status == "failed"
    assert "Cast" in found.reason


def test_large_results_stay_float32_with_a_warning(base: OnnxModel, tmp_path: Path) -> None:
    scan = wide_scans(base.ir)[-1]
    skip = scan.inputs[-1]
    larger = ir.tensor(np.full_like(skip.const_value.numpy(), 1e5), name=skip.name)
    skip.const_value = larger
    ir.save(base.ir, base.path)
    before, after, events = quantized(replace(base), tmp_path / "q.onnx")
    facts = after.quantization
    assert facts.largest_scan > LARGEST_NARROW_SCAN
    assert len(wide_scans(after.ir)) == len(wide_scans(before.ir)) == 4
    assert any("stay float32" in event.message for event in events)
    assert check_structure(before, after, facts).status == "passed"
