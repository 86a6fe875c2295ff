"""Modules that were pickled whole give their weights."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.models import load_model
from vmamba_deploy.models.checkpoints import modules
from vmamba_deploy.models.checkpoints.limits import MAX_NAME_CHARACTERS
from vmamba_deploy.models.checkpoints.modules import with_weights_of_modules
from vmamba_deploy.models.checkpoints.pickled import read_pickled
from vmamba_deploy.models.checkpoints.stand_in import StandIn


class Holder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
        self.shared = self.layers[0]
        self.register_buffer("kept", torch.ones(2))
        self.register_buffer("forgotten", torch.ones(2), persistent=False)
        self.register_parameter("none", None)
        self.weight = nn.Parameter(torch.rand(2))
        self.weight.note = "has attributes"  # type: ignore[attr-defined]


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("wrap", [lambda module: module, lambda module: {"model": module}])
@pytest.mark.filterwarnings("ignore:Couldn't retrieve source")
def test_as_its_state_dict(wrap: Any, zipped: bool, checkpoint: Path) -> None:
    module = Holder()
    torch.save(wrap(module), checkpoint, _use_new_zipfile_serialization=zipped)
    found: Any = read_pickled(checkpoint)
    found = found.get("model", found)
    state = module.state_dict()
    assert set(found) == set(state)
    assert all(torch.equal(found[name].read(), state[name]) for name in state)
    assert found["shared.weight"].read().shape == (3, 2)


def test_a_whole_network_loads(s2_path: Path, checkpoint: Path) -> None:
    model = load_model(s2_path)
    torch.save(nn.DataParallel(copy.deepcopy(model)), checkpoint)
    loaded = load_model(checkpoint)
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name])


def module_with(parts: dict[Any, Any], **state: Any) -> StandIn:
    kept = {"_parameters": {}, "_buffers": {}, "_modules": parts, **state}
    return StandIn("some.Module", (), kept)


def endless(name: Any) -> StandIn:
    parts: dict[Any, Any] = {}
    module = module_with(parts)
    parts[name] = parts[name, 2] = module
    return module


def laughs() -> StandIn:
    module = module_with({})
    for _ in range(40):
        module = module_with({"a": module, "b": module})
    return module


@pytest.mark.parametrize(
    "module",
    [
        endless("a"),
        endless(""),
        laughs(),
        module_with({"a" * (MAX_NAME_CHARACTERS + 1): module_with({})}),
        module_with({3: module_with({})}),
        module_with({}, _parameters=dict.fromkeys(map(str, range(30_000)))),
    ],
)
def test_modules_without_end(module: StandIn) -> None:
    with pytest.raises(InputFileError, match="pickled module"):
        with_weights_of_modules({"model": module})


def test_everything_in_a_module_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two modules, two parameters, one part, and one buffer that is not saved: six."""
    not_saved = StandIn("builtins.set", (["b"],))
    parts = {"part": module_with({})}
    of_six = module_with(parts, _parameters={"a": 1, "b": 2}, _non_persistent_buffers_set=not_saved)
    monkeypatch.setattr(modules, "MAX_TENSORS", 6)
    assert with_weights_of_modules(of_six) == {}
    monkeypatch.setattr(modules, "MAX_TENSORS", 5)
    with pytest.raises(InputFileError, match="too many others"):
        with_weights_of_modules(of_six)


def test_the_longest_name_of_a_part() -> None:
    longest = module_with({"a" * MAX_NAME_CHARACTERS: module_with({})})
    assert with_weights_of_modules(longest) == {}


def test_many_modules() -> None:
    networks = {str(number): module_with({}) for number in range(20)}
    assert with_weights_of_modules(networks) == {name: {} for name in networks}
    with pytest.raises(InputFileError, match="20 pickled modules"):
        with_weights_of_modules({**networks, "one": module_with({})})
