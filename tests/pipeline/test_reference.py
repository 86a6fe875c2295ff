"""Which network of a checkpoint an ONNX file is of travels in it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from vmamba_deploy.errors import UsageError
from vmamba_deploy.exporting.onnx_file import deployable_module, export_onnx
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.exporting.options import ExportOptions
from vmamba_deploy.models import load_model, load_weights
from vmamba_deploy.models.checkpoints.choice import WeightsChoice
from vmamba_deploy.pipeline.engine import describe, no_engine
from vmamba_deploy.pipeline.parity import load_reference
from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan

GOLDEN = Path(__file__).parents[1] / "data" / "golden" / "vssm_s1.pth"


def test_the_network_that_was_exported_is_the_reference_again(tmp_path: Path) -> None:
    weights = load_model(GOLDEN).state_dict()
    average = {name: 2 * tensor for name, tensor in weights.items()}
    torch.save({"model": weights, "model_ema": average}, tmp_path / "two.pth")
    loaded = load_weights(str(tmp_path / "two.pth"), choice=WeightsChoice(key="model_ema"))
    facts = export_onnx(loaded, tmp_path / "model.onnx", ExportOptions(image_size=64))
    described = describe(facts, no_engine("not asked for", EnginePlan()), "unproven").weights
    assert (described.key, described.other_keys) == ("model_ema", ("model",))
    assert described.architecture == "taken from shapes"
    read = OnnxModel.read(tmp_path / "model.onnx")
    for choice, expected in ((None, average), (WeightsChoice(key="model"), weights)):
        state = load_reference(read, choice=choice).model.state_dict()
        assert all(torch.equal(state[name], expected[name]) for name in expected)


def test_a_position_embedding_fixes_the_image_size(tmp_path: Path) -> None:
    weights = load_model(GOLDEN).state_dict()
    torch.save(weights | {"pos_embed": torch.ones(1, 12, 16, 24)}, tmp_path / "positions.pth")
    loaded = load_weights(str(tmp_path / "positions.pth"))
    assert loaded.preprocessing.crop_pixels == (64, 96)
    deployable_module(loaded, ExportOptions(image_size=(64, 96)))
    for options in (
        ExportOptions(image_size=64),
        ExportOptions(image_size=(64, 96), dynamic_size=True),
    ):
        with pytest.raises(UsageError, match="64x96 pixels alone"):
            deployable_module(loaded, options)
