"""Weights that are no numbers, or none that the asked precision holds: named before the export."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.faults.conftest import Refuses
from vmamba_deploy.errors import ExitCode
from vmamba_deploy.models import load_model


def with_value(weights: Path, path: Path, value: float) -> str:
    """Write the weights with one value of one tensor replaced; the tensor's name."""
    tensors = load_file(weights)
    name = next(name for name in tensors if name.endswith("head.weight"))
    tensors[name][1, 2] = value
    save_file(tensors, path)
    return name


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("precision", ["--fp32", "--fp16", "--bf16"])
def test_weights_that_are_no_numbers(
    refuses: Refuses, tmp_path: Path, digits_weights: Path, value: float, precision: str
) -> None:
    path = tmp_path / "weights.safetensors"
    name = with_value(digits_weights, path, value)
    asked = ["export", "--weights", path, precision, "--no-engine", "-o", tmp_path / "out"]
    refuses(list(asked), ExitCode.BAD_INPUT, name)


@pytest.mark.parametrize("value", [1e-42, -1e-30, 0.0, 65504.0, 3e38])
def test_numbers_at_the_ends_are_read_as_they_are(
    tmp_path: Path, digits_weights: Path, value: float
) -> None:
    path = tmp_path / "weights.safetensors"
    name = with_value(digits_weights, path, value)
    assert load_model(path).state_dict()[name][1, 2] == torch.tensor(value)
