"""Scans write float16 where calibration says that it fits, and only there: in quantized files, and
in those in fp16 that were calibrated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir
import pytest

from tests.digits import WEIGHTS
from vmamba_deploy.artifacts.quantization_facts import LARGEST_NARROW_SCAN
from vmamba_deploy.errors import InputFileError, UsageError
from vmamba_deploy.exporting.narrow_scans import wide_scans
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.models import load_weights
from vmamba_deploy.pipeline.events import Steps
from vmamba_deploy.pipeline.quantize import exported_base, narrow_scans, quantize
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


def make_results_large(base: OnnxModel) -> None:
    """Of the last scan, by what it adds of x."""
    scan = wide_scans(base.ir)[-1]
    skip = scan.inputs[-1]
    larger = ir.tensor(np.full_like(skip.const_value.numpy(), 1e5), name=skip.name)
    skip.const_value = larger
    ir.save(base.ir, base.path)


def test_large_results_stay_float32_with_a_warning(base: OnnxModel, tmp_path: Path) -> None:
    make_results_large(base)
    before, after, events = quantized(replace(base), tmp_path / "q.onnx")
    facts = after.quantization
    assert facts.largest_scan > LARGEST_NARROW_SCAN
    assert len(wide_scans(after.ir)) == len(wide_scans(before.ir)) == 4
    assert any("stay float32" in event.message for event in events)
    assert check_structure(before, after, facts).status == "passed"


def narrowed(base: OnnxModel, plan: QuantizationPlan) -> tuple[OnnxModel, list[Event]]:
    events: list[Event] = []
    file = narrow_scans(base, load_weights(str(WEIGHTS)), plan, Steps(events.append))
    assert OnnxModel.read(base.path).metadata == file.metadata
    return file, events


PHOTOS = QuantizationPlan(calibrate="photos")


def test_a_file_in_fp16_says_what_it_was_calibrated_on(base: OnnxModel) -> None:
    before, (file, _) = dict(base.metadata), narrowed(base, PHOTOS)
    facts = file.calibration
    assert len(wide_scans(base.ir)) == 4, "the file before was changed in memory"
    assert not wide_scans(OnnxModel.read(base.path).ir)
    assert facts.narrow_scans
    assert (facts.samples, len(facts.images)) == (24, 6)
    assert {**before, "calibration": file.metadata["calibration"]} == file.metadata
    assert (file.quantization, file.precision, file.base) == (None, "fp16", "fp16")


def test_it_sees_what_a_calibration_of_layers_sees(base: OnnxModel, tmp_path: Path) -> None:
    _, after, _ = quantized(base.copied_to(tmp_path / "copy.onnx"), tmp_path / "q.onnx")
    file, _ = narrowed(base, PHOTOS)
    assert file.calibration.largest_scan == after.quantization.largest_scan
    assert file.calibration.images == after.quantization.images


def test_given_samples_are_calibrated_on(base: OnnxModel) -> None:
    samples = tuple({"pixel_values": np.full((2, 3, 32, 32), one, "f4")} for one in (0.5, -1))
    file, _ = narrowed(base, QuantizationPlan(samples=samples))
    assert list(file.calibration.images) == ["sample 0", "sample 1"]


def test_in_fp16_large_results_stay_float32_with_a_warning_and_the_record(base: OnnxModel) -> None:
    make_results_large(base)
    file, events = narrowed(OnnxModel.read(base.path), PHOTOS)
    assert file.calibration.largest_scan > LARGEST_NARROW_SCAN
    assert len(wide_scans(file.ir)) == 4
    assert any("stay float32" in event.message for event in events)


def test_a_network_without_a_wide_scan_has_nothing_to_calibrate(base: OnnxModel) -> None:
    file, _ = narrowed(base, PHOTOS)
    with pytest.raises(UsageError, match="there is nothing to calibrate"):
        narrowed(file, PHOTOS)


def test_the_base_of_a_file_that_was_calibrated_has_narrow_scans(
    base: OnnxModel, tmp_path: Path
) -> None:
    """As where another tool quantizes it afterwards."""
    file, _ = narrowed(base, PHOTOS)
    anew = exported_base(file, load_weights(str(WEIGHTS)), tmp_path)
    assert not wide_scans(anew.ir)
    assert len(anew.our_nodes) == 4


def test_a_record_of_no_sense_is_refused(base: OnnxModel) -> None:
    base.ir.metadata_props["calibration"] = '{"samples": 0, "images": {}}'
    with pytest.raises(InputFileError, match="does not say how it was calibrated"):
        _ = base.calibration
