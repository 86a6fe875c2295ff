"""Checkpoints that were cut short or of which a bit is another: refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.faults.conftest import Refuses
from vmamba_deploy.errors import ExitCode

WRITERS: dict[str, Callable[[dict[str, torch.Tensor], Path], object]] = {
    "zip": lambda weights, path: torch.save({"model": weights}, path),
    "legacy": lambda weights, path: torch.save(
        {"model": weights}, path, _use_new_zipfile_serialization=False
    ),
    "safetensors": save_file,
}


@pytest.fixture
def written(tmp_path: Path, digits_weights: Path) -> Callable[[str], Path]:
    def write(kind: str) -> Path:
        path = tmp_path / f"weights.{kind}"
        WRITERS[kind](load_file(digits_weights), path)
        return path

    return write


@pytest.mark.parametrize("part", [0, 0.0001, 0.01, 0.25, 0.5, 0.9, 0.999, 0.99999])
@pytest.mark.parametrize("kind", list(WRITERS))
def test_a_file_that_was_cut(
    refuses: Refuses, written: Callable[[str], Path], kind: str, part: float
) -> None:
    path = written(kind)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    refuses(["info", path], ExitCode.BAD_INPUT, path.name)


@pytest.mark.parametrize("part", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_bit_of_the_weights_that_is_another(
    refuses: Refuses, written: Callable[[str], Path], part: float
) -> None:
    path = written("zip")
    content = bytearray(path.read_bytes())
    name, tensor = max(torch.load(path)["model"].items(), key=lambda item: item[1].numel())
    start = content.index(tensor.numpy().tobytes())
    content[start + int(tensor.numel() * 4 * part)] ^= 16
    path.write_bytes(content)
    assert name
    refuses(["info", path], ExitCode.BAD_INPUT, path.name)
