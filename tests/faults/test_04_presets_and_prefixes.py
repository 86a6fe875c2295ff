"""Weights under another preset or under other names: refused, or the same network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.faults.asking import ask
from tests.faults.conftest import Refuses
from vmamba_deploy.errors import ExitCode
from vmamba_deploy.models import load_model
from vmamba_deploy.models.vmamba.presets import PRESETS


@pytest.mark.parametrize("preset", [*sorted(PRESETS), "t", "s", "b"])
def test_a_preset_that_the_weights_are_not(
    refuses: Refuses, tmp_path: Path, digits_weights: Path, preset: str
) -> None:
    asked = ["export", "--model", preset, "--weights", digits_weights, "--no-engine"]
    refuses([*asked, "-o", tmp_path / "out"], ExitCode.BAD_INPUT, digits_weights.name, preset[-1])


@pytest.mark.parametrize("preset", ["", "vmamba", "vssm", "../t", "[/b]", "\x1b[2J"])
def test_a_preset_that_is_none(refuses: Refuses, tmp_path: Path, preset: str) -> None:
    refuses(["export", "--model", preset, "-o", tmp_path / "out"], ExitCode.USAGE, "preset")


PREFIXES = ["module.", "model.", "net.", "vmamba.", "module.module.", "_orig_mod.", "backbone.x."]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("key", ["model", "state_dict", None, "weights"])
def test_a_prefix_and_a_key_change_nothing(
    tmp_path: Path, digits_weights: Path, prefix: str, key: str | None
) -> None:
    weights = {f"{prefix}{name}": value for name, value in load_file(digits_weights).items()}
    path = tmp_path / "weights.pth"
    torch.save(weights if key is None else {key: weights, "epoch": 3}, path)
    loaded, expected = load_model(path).state_dict(), load_model(digits_weights).state_dict()
    assert list(loaded) == list(expected)
    assert all(torch.equal(loaded[name], expected[name]) for name in expected)
    assert ask("info", path).code == ExitCode.OK


@pytest.mark.parametrize("change", ["one is missing", "one is more", "one is of another shape"])
def test_weights_that_are_not_all_there(
    refuses: Refuses, tmp_path: Path, digits_weights: Path, change: str
) -> None:
    weights = load_file(digits_weights)
    name = next(name for name in weights if "out_proj" in name)
    if change == "one is missing":
        weights.pop(name)
    elif change == "one is more":
        name = "layers.9.of_nobody.weight"
        weights[name] = torch.ones(3)
    else:
        weights[name] = weights[name][:-1].clone()
    torch.save(weights, tmp_path / "weights.pth")
    refuses(["info", tmp_path / "weights.pth"], ExitCode.BAD_INPUT, "weights.pth")
