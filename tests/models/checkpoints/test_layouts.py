from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.models import load_model
from vmamba_deploy.models.vmamba.network import VMamba

Weights = dict[str, Tensor]


def prefixed(weights: Weights, prefix: str) -> Weights:
    return {prefix + name: tensor for name, tensor in weights.items()}


def assert_holds(model: VMamba, weights: Weights) -> None:
    state = model.state_dict()
    assert set(state) == set(weights)
    for name, tensor in weights.items():
        assert torch.equal(state[name], tensor), name


LAYOUTS: dict[str, Any] = {
    "bare": lambda w: w,
    "model": lambda w: {"model": w, "epoch": 3, "optimizer": {"state": {}, "param_groups": []}},
    "model beats model_ema": lambda w: {
        "model_ema": {name: tensor * 2 for name, tensor in w.items()},
        "model": w,
    },
    "model_ema alone": lambda w: {"model_ema": w},
    "state_dict": lambda w: {"state_dict": w, "meta": {}},
    "data parallel": lambda w: {"model": prefixed(w, "module.")},
    "compiled data parallel": lambda w: prefixed(w, "_orig_mod.module."),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("zipped", [True, False])
def test_published_layouts(
    layout: str, zipped: bool, s2_weights: Weights, checkpoint: Path
) -> None:
    torch.save(LAYOUTS[layout](s2_weights), checkpoint, _use_new_zipfile_serialization=zipped)
    assert_holds(load_model(checkpoint), s2_weights)


def test_safetensors(s2_weights: Weights, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(s2_weights, path)
    assert_holds(load_model(path), s2_weights)


def test_the_name_of_the_file_does_not_matter(s2_weights: Weights, checkpoint: Path) -> None:
    save_file(s2_weights, checkpoint)
    assert_holds(load_model(checkpoint), s2_weights)


def test_backbone_of_a_detector(s2_weights: Weights, checkpoint: Path) -> None:
    backbone = {k: v for k, v in s2_weights.items() if not k.startswith("classifier.")}
    others = {"neck.fpn.weight": torch.ones(2, 2), "roi_head.fc.bias": torch.ones(3)}
    torch.save({"state_dict": prefixed(backbone, "backbone.") | others}, checkpoint)
    model = load_model(checkpoint)
    assert_holds(model, backbone)
    assert model.config.num_classes is None


def test_half_precision_files_load_as_float32(s2_weights: Weights, checkpoint: Path) -> None:
    torch.save({name: tensor.half() for name, tensor in s2_weights.items()}, checkpoint)
    state = load_model(checkpoint).state_dict()
    assert {tensor.dtype for tensor in state.values()} == {torch.float32}
    name = "layers.0.blocks.0.mlp.fc1.weight"
    assert torch.equal(state[name], s2_weights[name].half().float())


LABELS = [f"class {i}" for i in range(10)]


def test_class_labels_are_kept(s2_weights: Weights, checkpoint: Path) -> None:
    torch.save({"model": s2_weights, "class_labels": LABELS}, checkpoint)
    assert load_model(checkpoint).class_labels == tuple(LABELS)


def test_class_labels_of_safetensors_metadata(s2_weights: Weights, checkpoint: Path) -> None:
    import json

    mapping = {str(i): label for i, label in reversed(list(enumerate(LABELS)))}
    save_file(s2_weights, checkpoint, metadata={"id2label": json.dumps(mapping)})
    assert load_model(checkpoint).class_labels == tuple(LABELS)


@pytest.mark.parametrize("labels", [LABELS[:-1], "text", [1] * 10, None])
def test_labels_that_do_not_fit_are_left_out(
    labels: Any, s2_weights: Weights, checkpoint: Path
) -> None:
    torch.save({"model": s2_weights, "class_labels": labels}, checkpoint)
    assert load_model(checkpoint).class_labels is None


@pytest.mark.parametrize("content", [{}, {"epoch": 3}, [1, 2], 7, {"model": {}}])
def test_files_without_weights(content: Any, checkpoint: Path) -> None:
    torch.save(content, checkpoint)
    with pytest.raises(InputFileError, match="holds no weights"):
        load_model(checkpoint)
