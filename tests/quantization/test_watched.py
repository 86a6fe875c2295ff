"""Where the error of labels and of detections is measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from vmamba_deploy.artifacts.manifest import ONNX_NAME, PreprocessingFacts
from vmamba_deploy.errors import UsageError
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.exporting.passes import InlineFunctions
from vmamba_deploy.quantization.images import calibration_images
from vmamba_deploy.quantization.quantize import calibrate
from vmamba_deploy.quantization.sensitivity import Sensitivity
from vmamba_deploy.quantization.watched import watched_values

Artifact = Callable[[str], Path]


def _model(folder: Path) -> OnnxModel:
    return OnnxModel.read(folder / ONNX_NAME)


def test_of_labels_it_is_what_they_are_the_largest_of(dense_artifact: Artifact) -> None:
    model = _model(dense_artifact("seg_v0"))
    resized, logits = watched_values(model)
    assert logits == "logits"
    (labels,) = (value for value in model.ir.graph.outputs if value.name == "labels")
    makers = {node.op_type: node for node in model.ir.graph if node.op_type == "ArgMax"}
    assert resized == makers["ArgMax"].inputs[0].name != labels.name


def test_of_detections_it_is_the_maps_that_boxes_are_pooled_from(dense_artifact: Artifact) -> None:
    model = _model(dense_artifact("det_mask_s1"))
    pooled = [node for node in model.ir.graph if node.op_type == "MultiLevelRoiAlign"]
    assert watched_values(model) == [value.name for value in pooled[0].inputs[:4]]
    InlineFunctions()(model.ir)
    with pytest.raises(UsageError, match="has no such node"):
        watched_values(model)


@pytest.mark.parametrize("name", ["seg_v0", "det_mask_s1"])
def test_their_error_is_a_number_that_grows_with_the_layers(
    name: str, dense_artifact: Artifact
) -> None:
    model = _model(dense_artifact(name))
    prepared = msgspec.convert(model.structured("preprocessing"), PreprocessingFacts)
    images = calibration_images(None, model, prepared.by_this_release())
    facts = calibrate(model, images, lambda *_: None, precision="int8")
    measured = Sensitivity(model, facts, "int8", images)
    names = list(facts.quantized)
    few, everything = measured.nmse(names[:1]), measured.nmse(names)
    assert measured.nmse([]) == 0.0
    assert 0 < few < everything < 0.5
