import math
from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest
import torch
from torch import nn

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.exporting.onnx_file import export_onnx
from vmamba_deploy.exporting.options import ExportOptions
from vmamba_deploy.exporting.passes import serialised
from vmamba_deploy.models import load_weights
from vmamba_deploy.models.vmamba.family import VMAMBA
from vmamba_deploy.parity.localise import (
    block_names,
    first_drift,
    layer_outputs,
    localise,
    localise_each,
)
from vmamba_deploy.runtimes.onnxruntime import create_session


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.norm, self.fc = nn.LayerNorm(channels), nn.Linear(channels, channels)

    def forward(self, x):
        return x + nn.functional.gelu(self.fc(self.norm(x)))


class Stage(nn.Module):
    def __init__(self, channels, depth):
        super().__init__()
        self.blocks = nn.Sequential(*(Block(channels) for _ in range(depth)))
        self.downsample = nn.Linear(channels, channels)

    def forward(self, x):
        return self.downsample(self.blocks(x))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch_embed = nn.Conv2d(3, 16, 4, 4)
        self.layers = nn.ModuleList([Stage(16, 2), Stage(16, 1)])
        self.classifier = nn.Linear(16, 10)

    def forward(self, x):
        x = self.patch_embed(x).permute(0, 2, 3, 1)
        for stage in self.layers:
            x = stage(x)
        return self.classifier(x.mean((1, 2)))


BLOCKS = [
    "patch_embed",
    "layers.0.blocks.0",
    "layers.0.blocks.1",
    "layers.0.downsample",
    "layers.1.blocks.0",
    "layers.1.downsample",
    "classifier",
]


@pytest.fixture(scope="module")
def exported():
    net = Net().eval()
    program = torch.onnx.export(net, (torch.zeros(2, 3, 32, 32),), dynamo=True, verbose=False)
    return net, program.model


def open_session(model):
    return ort.InferenceSession(serialised(model), providers=["CPUExecutionProvider"])


def images():
    return np.random.default_rng().standard_normal((2, 3, 32, 32)).astype(np.float32)


def spoilt(model, name, change):
    """The model with one of its initializers changed."""
    changed = model.clone()
    weight = changed.graph.initializers[name]
    weight.const_value = ir.tensor(change(weight.const_value.numpy()), name=name)
    return changed


def test_a_right_file_shows_every_block_in_order_and_no_drift(exported):
    net, model = exported
    errors = localise(net, model, [images()], open_session, VMAMBA.layers)
    assert [error.layer for error in errors] == BLOCKS == block_names(net, VMAMBA.layers)
    assert first_drift(errors, 1e-10) is None
    assert all(error.cosine > 1 - 1e-9 and error.max_abs < 1e-4 for error in errors)


def test_the_first_drifting_block_is_found(exported):
    net, right = exported
    model = spoilt(right, "layers.0.blocks.1.fc.bias", lambda bias: bias + np.float32(0.3))
    errors = localise(net, model, [images()], open_session, VMAMBA.layers)
    assert first_drift(errors, 1e-6).layer == "layers.0.blocks.1"
    assert all(error.nmse < 1e-10 for error in errors[:2])
    assert all(error.nmse > 1e-6 for error in errors[2:])


def test_each_batch_has_its_own_errors_in_one_session(exported):
    net, right = exported
    model = spoilt(right, "layers.0.blocks.1.fc.bias", lambda bias: bias + np.float32(0.3))
    opened = []

    def open_once(probed):
        opened.append(probed)
        return open_session(probed)

    batches = [[images()], [images() * 40]]
    found = localise_each(net, model, batches, open_once, VMAMBA.layers)
    assert found == [localise(net, model, one, open_session, VMAMBA.layers) for one in batches]
    assert len(opened) == 1
    # The fault is the same, what it is added to is larger.
    assert found[1][-1].nmse < found[0][-1].nmse


def test_blocks_are_found_below_a_preprocessing_wrapper():
    wrapped = nn.Module()
    wrapped.model = Net()
    inner = block_names(wrapped.model, VMAMBA.layers)
    assert block_names(wrapped, VMAMBA.layers) == [f"model.{name}" for name in inner]
    assert len(block_names(wrapped, VMAMBA.layers)) == len(BLOCKS)


def test_nan_counts_as_drift(exported):
    net, right = exported
    model = spoilt(right, "layers.1.blocks.0.fc.bias", lambda bias: bias * np.nan)
    found = first_drift(localise(net, model, [images()], open_session, VMAMBA.layers), math.inf)
    assert found.layer == "layers.1.blocks.0"
    assert math.isnan(found.nmse)


def test_outputs_are_the_values_that_leave_each_module(exported):
    _, model = exported
    found = layer_outputs(model, ["classifier", "layers.0.blocks", "layers.0.blocks.1"])
    assert found["classifier"] == model.graph.outputs[0].name
    assert found["layers.0.blocks"] == found["layers.0.blocks.1"]


def test_a_file_without_the_exporters_notes_is_refused(exported):
    net, right = exported
    model = right.clone()
    for node in model.graph:
        node.metadata_props.clear()
    with pytest.raises(InputFileError, match="which layer"):
        localise(net, model, [images()], open_session, VMAMBA.layers)


def test_bfloat16_files_are_measured_too(tmp_path):
    golden = Path(__file__).parents[1] / "data" / "golden" / "vssm_s1.pth"
    loaded = load_weights(str(golden))
    options = ExportOptions(precision="bf16", image_size=64)
    model = export_onnx(loaded, tmp_path / "model.onnx", options).ir
    images = np.random.default_rng(1).normal(size=(1, 3, 64, 64)).astype(np.float32)
    errors = localise(loaded.model, model, [images], create_session, VMAMBA.layers)
    nothing_there = {"layers.3.downsample"}
    names = set(block_names(loaded.model, VMAMBA.layers))
    assert {error.layer for error in errors} == names - nothing_there
    assert all(0 < error.nmse < 1e-2 for error in errors)
