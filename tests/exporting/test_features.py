"""A backbone's file: four maps, from weights with and without a classifier."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
import torch

from vmamba_deploy.errors import UsageError
from vmamba_deploy.exporting.onnx_file import deployable_module, export_onnx
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.exporting.options import ExportOptions
from vmamba_deploy.models import load_weights
from vmamba_deploy.runtimes.onnxruntime import OnnxRuntimeBody, OnnxRuntimeLibrary

STAGES = ["feature0", "feature1", "feature2", "feature3"]


def images(batch: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng().standard_normal((batch, 3, height, width), dtype=np.float32)


def features_of(loaded, pixel_values: np.ndarray) -> dict[str, np.ndarray]:
    with torch.inference_mode():
        maps = loaded.model.forward_features(torch.from_numpy(pixel_values))
    return {name: one.numpy() for name, one in zip(STAGES, maps, strict=True)}


def assert_close(got, expected, limit: float) -> None:
    assert list(got) == list(expected)
    for name, wanted in expected.items():
        assert got[name].shape == wanted.shape
        assert got[name].dtype == np.float32
        assert np.sum((got[name] - wanted) ** 2) <= limit * np.sum(wanted**2), name


@pytest.fixture(scope="session", params=["v0", "s2", "s1"])
def backbones(request, golden_folder):
    return load_weights(str(golden_folder / f"vssm_{request.param}_backbone.pth"))


def test_weights_without_a_classifier_give_four_maps_at_any_batch_and_size(backbones, exported):
    path = exported(backbones, dynamic_size=True)
    runtimes = [OnnxRuntimeBody(path), OnnxRuntimeLibrary(path)]
    for session in [runtime.open() for runtime in runtimes]:
        for batch, height, width in ((1, 64, 64), (3, 75, 50), (2, 32, 96)):
            pixels = images(batch, height, width)
            got = session(pixels)
            assert_close(got, features_of(backbones, pixels), 1e-10)
            assert [one.shape[0] for one in got.values()] == [batch] * 4


def test_the_file_says_what_it_is(backbone, exported):
    path = exported(backbone)
    model = onnx.load(path)
    assert [output.name for output in model.graph.output] == STAGES
    sides = [[axis.dim_value for axis in o.type.tensor_type.shape.dim] for o in model.graph.output]
    assert [one[2:] for one in sides] == [[16, 16], [8, 8], [4, 4], [2, 2]]
    assert [one[0] for one in sides] == [0, 0, 0, 0]  # the batch is free
    metadata = OnnxModel.read(path).metadata
    assert metadata["task"] == "features"
    assert not {"labels", "num_classes"} & set(metadata)


def test_a_classifier_gives_maps_when_asked_and_logits_when_not(small, exported):
    path = exported(small, task="features")
    pixels = images(2, 64, 64)
    assert_close(OnnxRuntimeBody(path).open()(pixels), features_of(small, pixels), 1e-10)
    metadata = OnnxModel.read(path).metadata
    assert (metadata["task"], metadata["num_classes"]) == ("features", "10")
    plain = onnx.load(exported(small))
    assert [output.name for output in plain.graph.output] == ["logits"]
    assert OnnxModel.read(exported(small)).metadata["task"] == "classification"
    names = {tensor.name for tensor in onnx.load(path).graph.initializer}
    assert not [name for name in names if "classifier" in name]  # what is not used is not carried


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_half_precision_stays_close_and_gives_float32(backbone, exported, precision):
    path = exported(backbone, precision=precision)
    pixels = images(2, 64, 64)
    limit = 1e-5 if precision == "fp16" else 1e-3
    assert_close(OnnxRuntimeBody(path).open()(pixels), features_of(backbone, pixels), limit)


def test_the_normalisation_may_be_in_the_graph(backbone, exported):
    path = exported(backbone, preprocess=True, precision="fp16", dynamic_size=True)
    pixels = np.random.default_rng().integers(0, 256, (2, 64, 96, 3), dtype=np.uint8)
    facts = json.loads(OnnxModel.read(path).metadata["preprocessing"])
    normalised = (pixels / np.float32(255) - np.float32(facts["mean"])) / np.float32(facts["std"])
    nchw = np.ascontiguousarray(normalised.transpose(0, 3, 1, 2), dtype=np.float32)
    assert_close(OnnxRuntimeBody(path).open()(pixels), features_of(backbone, nchw), 1e-5)


def test_a_task_that_the_weights_cannot_do_is_refused(backbone, tmp_path):
    with pytest.raises(UsageError, match="a backbone without a classifier"):
        export_onnx(backbone, tmp_path / "model.onnx", ExportOptions(task="classification"))
    with pytest.raises(UsageError, match="no task 'boxes'"):
        ExportOptions(task="boxes")
    assert list(tmp_path.iterdir()) == []


def test_every_scan_keeps_its_layer_in_the_graph(backbone, exported):
    from vmamba_deploy.parity.localise import block_names, layer_outputs

    options = ExportOptions(image_size=64)
    module = deployable_module(backbone, options)
    names = block_names(module, backbone.family.layers)
    names.remove("model.layers.3.downsample")  # nothing follows the last stage
    assert list(layer_outputs(OnnxModel.read(exported(backbone)).ir, names)) == names
    assert len([name for name in names if ".blocks." in name]) == sum(backbone.model.config.depths)
