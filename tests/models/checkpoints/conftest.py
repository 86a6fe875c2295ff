"""A golden network's weights, to be written again in other layouts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from vmamba_deploy.models import load_model

GOLDEN_FOLDER = Path(__file__).parents[2] / "data" / "golden"


def golden_path(name: str) -> Path:
    return GOLDEN_FOLDER / f"vssm_{name}.pth"


def golden_weights(name: str) -> dict[str, Tensor]:
    return dict(load_model(golden_path(name)).state_dict())


@pytest.fixture
def s2_path() -> Path:
    return golden_path("s2")


@pytest.fixture
def s2_weights() -> dict[str, Tensor]:
    return golden_weights("s2")


@pytest.fixture
def v0_weights() -> dict[str, Tensor]:
    return golden_weights("v0")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint.pth"


@pytest.fixture
def seed_of_the_test() -> int:
    return int(torch.randint(1 << 30, ()).item())
