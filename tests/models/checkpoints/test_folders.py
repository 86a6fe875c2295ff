"""Folders in a checkpoint's place are opened, or named as what they are."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.models import load_model, load_weights
from vmamba_deploy.pipeline.info import describe_path

Weights = dict[str, Tensor]


def test_folders_of_the_hub(s2_weights: Weights, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    torch.save(s2_weights, tmp_path / "pytorch_model.bin")
    assert load_model(tmp_path).config.num_classes == 10
    assert describe_path(tmp_path)["file"] == "pytorch_model.bin"
    halved = {name: tensor / 2 for name, tensor in s2_weights.items()}
    save_file(halved, tmp_path / "model.safetensors")
    loaded = load_weights(str(tmp_path))
    assert describe_path(tmp_path)["sha256"] == loaded.sha256
    state = loaded.model.state_dict()
    assert all(torch.equal(state[name], halved[name]) for name in halved)


def test_a_checkpoint_in_several_files(tmp_path: Path) -> None:
    index = tmp_path / "model.safetensors.index.json"
    index.write_text('{"weight_map": {"a": "model-00001-of-00002.safetensors"}}')
    for path in (tmp_path, index):
        with pytest.raises(InputFileError, match="several files") as error:
            describe_path(path)
        assert "join" in (error.value.hint or "")


def test_an_unpacked_checkpoint(s2_weights: Weights, tmp_path: Path) -> None:
    torch.save(s2_weights, tmp_path / "packed.pth")
    with zipfile.ZipFile(tmp_path / "packed.pth") as archive:
        archive.extractall(tmp_path / "unpacked")
    (inner,) = (tmp_path / "unpacked").iterdir()
    for folder in (inner, inner.parent):
        for use in (load_model, describe_path):
            with pytest.raises(InputFileError, match="unpacked checkpoint"):
                use(folder)


def test_the_way_to_pack_it_again(s2_weights: Weights, tmp_path: Path) -> None:
    packed, again = tmp_path / "packed.pth", tmp_path / "again.pth"
    torch.save(s2_weights, packed)
    with zipfile.ZipFile(packed) as old, zipfile.ZipFile(again, "w") as new:
        for record in old.infolist():
            new.writestr(record.filename, old.read(record), zipfile.ZIP_STORED)
    assert load_model(again).config.num_classes == 10


def test_other_folders(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputFileError, match="is a folder"):
        load_model(tmp_path / "empty")
    for name in ("best.pth", "last.pth", "log.txt"):
        (tmp_path / name).write_text("")
    with pytest.raises(InputFileError, match=r"without model\.safetensors") as error:
        load_model(tmp_path)
    assert "best.pth, last.pth." in (error.value.hint or "")


def test_pipes_and_devices(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        for use in (load_model, describe_path):
            with pytest.raises(InputFileError, match="a checkpoint is a file"):
                use(path)


def test_a_path_that_is_none(tmp_path: Path) -> None:
    for path in ("a" * 5000, "a\0b", str(tmp_path / "absent")):
        with pytest.raises(InputFileError, match="cannot be read"):
            load_model(path)
