from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from vmamba_deploy.errors import InputFileError, UsageError
from vmamba_deploy.files import file_sha256
from vmamba_deploy.models import create_model, load_model, load_weights, loading
from vmamba_deploy.models.loading import weights_sha256
from vmamba_deploy.models.vmamba.presets import PRESETS

Weights = dict[str, Tensor]


def test_a_preset_is_recognised(checkpoint: Path) -> None:
    torch.save({"model": create_model("vmamba_tiny_s2l5", num_classes=3).state_dict()}, checkpoint)
    loaded = load_weights(str(checkpoint))
    assert loaded.preset_name == loaded.model.preset_name == "vmamba_tiny_s2l5"
    assert loaded.model.config.num_classes == 3
    assert not loaded.model.training
    assert loaded.source == str(checkpoint)
    assert loaded.sha256 == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    with pytest.raises(InputFileError) as error:
        load_model(checkpoint, "vmamba_tiny_s1l8")
    assert "vmamba_tiny_s2l5" in (error.value.hint or "")
    assert "unexpected" in error.value.message or "missing" in error.value.message
    assert load_model(checkpoint, "vmamba_tiny_s2l5").preset_name == "vmamba_tiny_s2l5"


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_told_from_its_shapes(name: str) -> None:
    from vmamba_deploy.models.vmamba.detection import detect_config
    from vmamba_deploy.models.vmamba.family import VMAMBA
    from vmamba_deploy.models.vmamba.network import VMamba

    with torch.device("meta"):
        model = VMamba(PRESETS[name].config)
    config = detect_config(model.state_dict())
    assert config == PRESETS[name].config
    assert VMAMBA.preset_with(config) == name


def test_a_golden_network_is_no_preset(s2_path: Path) -> None:
    assert load_model(s2_path).preset_name is None
    with pytest.raises(InputFileError, match="vmamba_tiny_s1l8") as error:
        load_model(s2_path, "t")
    assert "no preset" in (error.value.hint or "")


def test_a_file_that_changes_between_its_hash_and_its_weights(
    s2_weights: Weights, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hashed(path: Path, **arguments: Any) -> str:
        digest = file_sha256(path, **arguments)
        torch.save({name: tensor * 2 for name, tensor in s2_weights.items()}, checkpoint)
        return digest

    torch.save(s2_weights, checkpoint)
    load_weights(str(checkpoint))
    monkeypatch.setattr(loading, "file_sha256", hashed)
    with pytest.raises(InputFileError, match="changed while it was read"):
        load_weights(str(checkpoint))


def test_the_differences_are_listed(s2_weights: Weights, checkpoint: Path) -> None:
    del s2_weights["layers.2.blocks.1.norm2.bias"]
    s2_weights["layers.0.blocks.0.op.extra"] = torch.ones(2)
    s2_weights["layers.1.downsample.3.weight"] = torch.ones(5)
    torch.save(s2_weights, checkpoint)
    with pytest.raises(InputFileError) as error:
        load_model(checkpoint)
    message = error.value.message
    assert "nothing was loaded" in message
    assert "1 missing from the file:\n    layers.2.blocks.1.norm2.bias (32,)" in message
    assert "1 unexpected in the file:\n    layers.0.blocks.0.op.extra (2,)" in message
    assert "layers.1.downsample.3.weight: file (5,), network (32,)" in message


def test_long_lists_are_cut(s2_weights: Weights, checkpoint: Path) -> None:
    torch.save(s2_weights | {f"extra{i}": torch.ones(1) for i in range(6)}, checkpoint)
    with pytest.raises(InputFileError, match=r"6 unexpected(.|\n)*extra5 \(1,\)") as all_of_them:
        load_model(checkpoint)
    assert "more" not in all_of_them.value.message
    torch.save(s2_weights | {f"extra{i}": torch.ones(1) for i in range(50)}, checkpoint)
    with pytest.raises(InputFileError, match="50 unexpected") as error:
        load_model(checkpoint)
    assert "and 44 more" in error.value.message
    assert len(error.value.message.splitlines()) < 12


def test_a_missing_block_is_noticed(s2_weights: Weights, checkpoint: Path) -> None:
    kept = {k: v for k, v in s2_weights.items() if not k.startswith("layers.2.blocks.0.")}
    torch.save(kept, checkpoint)
    with pytest.raises(InputFileError):
        load_model(checkpoint)


def test_half_a_classifier_is_noticed(s2_weights: Weights, checkpoint: Path) -> None:
    del s2_weights["classifier.norm.weight"]
    torch.save(s2_weights, checkpoint)
    with pytest.raises(InputFileError, match=r"classifier\.norm\.weight"):
        load_model(checkpoint)


def test_another_network(checkpoint: Path) -> None:
    torch.save({"conv1.weight": torch.ones(8, 3, 7, 7), "fc.bias": torch.ones(10)}, checkpoint)
    for preset in (None, "t"):
        with pytest.raises(InputFileError, match=r"conv1\.weight|does not fit"):
            load_model(checkpoint, preset)


def test_random_weights() -> None:
    first = load_weights("random", preset="t", num_classes=4, seed=5)
    again = load_weights("random", preset="vmamba_tiny_s1l8", num_classes=4, seed=5)
    other = load_weights("random", preset="t", num_classes=4, seed=6)
    assert first.source == "random (seed 5)"
    assert first.sha256 == again.sha256 != other.sha256
    assert first.preset_name == "vmamba_tiny_s1l8"
    with pytest.raises(UsageError, match="preset"):
        load_weights("random")


def test_weights_sha256_ignores_the_order() -> None:
    weights = {"b": torch.ones(2), "a": torch.zeros(3)}
    assert weights_sha256(weights) == weights_sha256(dict(reversed(weights.items())))
    assert weights_sha256(weights) != weights_sha256(weights | {"a": torch.ones(3)})
    assert weights_sha256({"a": torch.zeros(2, 3)}) != weights_sha256({"a": torch.zeros(3, 2)})


def test_an_unknown_preset_is_a_usage_error(s2_path: Path) -> None:
    with pytest.raises(UsageError):
        load_model(s2_path, "resnet50")
