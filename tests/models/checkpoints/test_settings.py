"""What a checkpoint says of its own training: refused by name where it is not computed here."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from vmamba_deploy.errors import ExitCode, InputFileError
from vmamba_deploy.models import load_weights
from vmamba_deploy.models.checkpoints.settings import (
    MAX_SECTIONS,
    literal_settings,
    settings_of,
)

Weights = dict[str, Tensor]

OTHER_ARITHMETIC: dict[str, tuple[str, Any]] = {
    "one direction": ("SSM_FORWARDTYPE", "v051d_noz"),
    "two directions": ("SSM_FORWARDTYPE", "v052d_noz"),
    "cascade": ("SSM_FORWARDTYPE", "v052dc_noz"),
    "old cascade": ("SSM_FORWARDTYPE", "v32dc_noz"),
    "another scan": ("SSM_FORWARDTYPE", "xv1a"),
    "Mamba-2": ("SSM_FORWARDTYPE", "m0_noz"),
    "sigmoid for a norm": ("SSM_FORWARDTYPE", "v05_onsigmoid_noz"),
    "softmax for a norm": ("SSM_FORWARDTYPE", "v05_onsoftmax_noz"),
    "activation of the result": ("SSM_FORWARDTYPE", "v05_noz_oact"),
    "gate without activation": ("SSM_FORWARDTYPE", "v05_nozact"),
    "a gate that the weights do not have": ("SSM_FORWARDTYPE", "v05"),
    "GELU in SS2D": ("SSM_ACT_LAYER", "gelu"),
    "ReLU in SS2D": ("SSM_ACT_LAYER", "relu"),
    "SiLU in the MLP": ("MLP_ACT_LAYER", "silu"),
    "BatchNorm": ("NORM_LAYER", "bn"),
    "norm after": ("POST_NORM", True),
    "gated MLP": ("GMLP", True),
    "eps": ("layer_norm_eps", 1e-6),
    "depths": ("DEPTHS", [2, 2, 5, 2]),
    "width": ("EMBED_DIM", 96),
    "state": ("SSM_D_STATE", 16),
    "ratio": ("SSM_RATIO", 1.0),
    "rank": ("SSM_DT_RANK", 7),
    "MLP": ("MLP_RATIO", 2.0),
    "convolution": ("SSM_CONV", 5),
    "stem": ("PATCHEMBED", "v1"),
    "downsample": ("DOWNSAMPLE", "v2"),
}
SAME_ARITHMETIC: dict[str, Any] = {
    "SSM_FORWARDTYPE": "v3noz",
    "SSM_ACT_LAYER": "silu",
    "SSM_INIT": "v1",
    "SSM_DT_RANK": "auto",
    "SSM_D_STATE": 1,
    "SSM_RATIO": 2.0,
    "SSM_RANK_RATIO": 2.0,
    "SSM_CONV": 3,
    "SSM_CONV_BIAS": False,
    "SSM_DROP_RATE": 0.1,
    "MLP_RATIO": 4.0,
    "MLP_ACT_LAYER": "gelu",
    "PATCH_SIZE": 4,
    "IN_CHANS": 3,
    "PATCH_NORM": True,
    "NORM_LAYER": "ln2d",
    "EMBED_DIM": 8,
    "DEPTHS": [1, 1, 2, 1],
    "DOWNSAMPLE": "v3",
    "PATCHEMBED": "v2",
    "POSEMBED": False,
    "GMLP": False,
}


@pytest.mark.parametrize("other", OTHER_ARITHMETIC)
def test_other_arithmetic_is_refused_by_name(
    other: str, s2_weights: Weights, checkpoint: Path
) -> None:
    key, value = OTHER_ARITHMETIC[other]
    # As old training codes have them, another model's settings stand beside.
    config = {"MODEL": {"VSSM": SAME_ARITHMETIC | {key: value}, "SWIN": {"DEPTHS": [2, 2, 6, 2]}}}
    torch.save({"model": s2_weights, "config": config}, checkpoint)
    with pytest.raises(InputFileError, match=rf"config\.MODEL\.VSSM says {key}: ") as error:
        load_weights(str(checkpoint))
    assert error.value.exit_code == ExitCode.BAD_INPUT
    assert len(error.value.message.splitlines()) == 2
    assert "torch.save" in (error.value.hint or "")


def places(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The same settings in every place where training scripts put them."""
    small = {key.lower(): value for key, value in config.items()}
    small["forward_type"] = small.pop("ssm_forwardtype")
    text = f"import os\nbase = {small['depths']!r}\nmodel = dict(backbone=dict(depths=base, " + (
        f"type='MM_VSSM', forward_type={small['forward_type']!r}))\nlr = os.cpu_count()\n"
    )
    return {
        "config.MODEL.VSSM": {"config": {"MODEL": {"VSSM": config}}},
        "args": {"args": argparse.Namespace(**small)},
        "hyper_parameters": {"hyper_parameters": small},
        "hyper_parameters.model": {"hyper_parameters": {"model": small}},
        "meta.cfg.model.backbone": {"meta": {"cfg": text, "epoch": 12}},
        "cfg": {"cfg": json.dumps(small)},
        "model_args": {"model_args": repr(small)},
    }


@pytest.mark.parametrize("place", places(SAME_ARITHMETIC))
def test_settings_are_found_wherever_they_are(
    place: str, s2_weights: Weights, checkpoint: Path
) -> None:
    torch.save({"state_dict": s2_weights, **places(SAME_ARITHMETIC)[place]}, checkpoint)
    architecture = load_weights(str(checkpoint)).architecture
    assert architecture == f"taken from shapes; the file's {place} says the same"
    cascade = SAME_ARITHMETIC | {"SSM_FORWARDTYPE": "v052dc_noz"}
    torch.save({"state_dict": s2_weights, **places(cascade)[place]}, checkpoint)
    with pytest.raises(InputFileError, match=rf"{place} says \w+: v052dc_noz"):
        load_weights(str(checkpoint))


def test_a_file_that_says_nothing_is_told_as_such(s2_weights: Weights, checkpoint: Path) -> None:
    torch.save({"model": s2_weights, "config": {"MODEL": {"VSSM": {"EMBED_DIM": 8}}}}, checkpoint)
    assert load_weights(str(checkpoint)).architecture == "taken from shapes"


def test_an_unknown_option_is_told(s2_weights: Weights, checkpoint: Path) -> None:
    torch.save({"model": s2_weights, "config": {"VSSM": {"SSM_TWIST": 3}}}, checkpoint)
    origin = load_weights(str(checkpoint)).origin
    assert origin is not None
    assert any("config.VSSM.SSM_TWIST: 3" in note for note in origin.notes)


def test_weights_without_a_norm_are_explained_by_their_configuration(
    s2_weights: Weights, checkpoint: Path
) -> None:
    kept = {name: value for name, value in s2_weights.items() if "out_norm" not in name}
    args = {"forward_type": "v05_onnone_noz"}
    torch.save({"model": kept, "args": args}, checkpoint)
    with pytest.raises(InputFileError, match="args says forward_type: v05_onnone_noz"):
        load_weights(str(checkpoint))


def test_files_of_transformers(s2_weights: Weights, tmp_path: Path) -> None:
    save_file(s2_weights, tmp_path / "model.safetensors")
    config: dict[str, Any] = {"model_type": "vmamba", "hidden_act": "silu", "depths": [1, 1, 2, 1]}
    config |= {"id2label": {str(i): f"class {i}" for i in range(10)}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    images = {"size": {"height": 96, "width": 128}, "image_mean": [0.5] * 3, "image_std": [0.2] * 3}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(images | {"resample": 2}))
    loaded = load_weights(str(tmp_path / "model.safetensors"))
    assert loaded.model.class_labels == tuple(f"class {i}" for i in range(10))
    assert loaded.preprocessing.crop_pixels == (96, 128)
    assert loaded.preprocessing.mean == (0.5, 0.5, 0.5)
    assert loaded.preprocessing.interpolation == "bilinear"
    (tmp_path / "config.json").write_text(json.dumps(config | {"hidden_act": "gelu"}))
    with pytest.raises(InputFileError, match=r"config\.json says hidden_act: gelu"):
        load_weights(str(tmp_path / "model.safetensors"))


def test_settings_in_the_metadata_of_safetensors(s2_weights: Weights, checkpoint: Path) -> None:
    save_file(s2_weights, checkpoint, metadata={"config": '{"ssm_act_layer": "relu"}'})
    with pytest.raises(InputFileError, match="config says ssm_act_layer: relu"):
        load_weights(str(checkpoint))


IMAGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "training code": (
        {"config": {"DATA": {"IMG_SIZE": 384, "INTERPOLATION": "bilinear"}}},
        {"crop_pixels": (384, 384), "resize_pixels": 438, "interpolation": "bilinear"},
    ),
    "no crop": ({"config": {"TEST": {"CROP": False}}}, {"stretched": True}),
    "timm": (
        {"args": argparse.Namespace(input_size=(3, 96, 128), crop_pct=0.9, mean=[0.5, 0.4, 0.3])},
        {"crop_pixels": (96, 128), "resize_pixels": 106, "mean": (0.485, 0.456, 0.406)},
    ),
    "mean and std of bytes": (
        {"meta": {"cfg": "data_preprocessor = dict(mean=[127.5, 0, 255], std=[51, 51, 51])"}},
        {"mean": (0.5, 0.0, 1.0), "std": (0.2, 0.2, 0.2)},
    ),
    "of something else": (
        {"optimizer_args": {"mean": [0.1, 0.1, 0.1], "std": [1, 1, 1]}, "args": {"img_size": 7}},
        {"crop_pixels": (224, 224), "mean": (0.485, 0.456, 0.406)},
    ),
}


@pytest.mark.parametrize("where", IMAGES)
def test_images_are_prepared_as_the_file_says(
    where: str, s2_weights: Weights, checkpoint: Path
) -> None:
    beside, expected = IMAGES[where]
    torch.save({"model": s2_weights, **beside}, checkpoint)
    prepared = load_weights(str(checkpoint)).preprocessing
    assert {name: getattr(prepared, name) for name in expected} == expected


def test_nothing_of_a_configuration_is_run(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    text = f"depths = [1, -2]\nx = __import__('pathlib').Path({str(marker)!r}).touch()\ny = depths"
    assert literal_settings(text) == {"depths": [1, -2], "x": None, "y": [1, -2]}
    assert not marker.exists()


@pytest.mark.parametrize(
    "text",
    [
        "a = (",
        "{" * 5000,
        "a = " + "[" * 5000,
        "a = " + "9" * 6000,
        "\0=",
        "=",
        "{]}",
        "a=1" * 200000,
    ],
    ids=range(8),
)
def test_texts_that_are_no_configuration(text: str) -> None:
    assert not literal_settings(text)


def test_settings_without_end_are_left(checkpoint: Path) -> None:
    circle: dict[str, Any] = {"depths": 1}
    circle["inner"] = circle
    found, unread = settings_of({"args": circle, "log": {"a": "b"}})
    assert len(found) == MAX_SECTIONS
    assert {place.rpartition(".")[2] for place in unread} == {"inner"}


def test_texts_of_any_length_or_kind() -> None:
    longest = "a=1" + " " * 299_997
    assert literal_settings(longest) == {"a": 1}
    assert literal_settings(f"{longest} ") is None
    assert literal_settings("word") is None
