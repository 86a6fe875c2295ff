"""Golden data and small networks for the tests of the models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from vmamba_deploy.models import load_model
from vmamba_deploy.models.vmamba.network import VMamba, set_scan_backend

GOLDEN_FOLDER = Path(__file__).parent.parent / "data" / "golden"


@dataclass(frozen=True)
class Golden:
    """One golden network: its two checkpoints, an input, and what the public code makes of it."""

    name: str
    classifier_path: Path
    backbone_path: Path
    pixel_values: Tensor
    logits: Tensor
    features: list[Tensor]


def read_golden(name: str) -> Golden:
    with np.load(GOLDEN_FOLDER / f"vssm_{name}.npz") as arrays:
        return Golden(
            name=name,
            classifier_path=GOLDEN_FOLDER / f"vssm_{name}.pth",
            backbone_path=GOLDEN_FOLDER / f"vssm_{name}_backbone.pth",
            pixel_values=torch.from_numpy(arrays["input"]),
            logits=torch.from_numpy(arrays["logits"]),
            features=[torch.from_numpy(arrays[f"feature{i}"]) for i in range(4)],
        )


@pytest.fixture(params=["v0", "s2", "s1"])
def golden(request: pytest.FixtureRequest) -> Golden:
    return read_golden(request.param)


@pytest.fixture(params=["v0", "s2"])
def both_blocks(request: pytest.FixtureRequest) -> Golden:
    """One golden network of each kind of block."""
    return read_golden(request.param)


@pytest.fixture
def load_reference() -> Callable[[Path], VMamba]:
    """Load a checkpoint and let plain PyTorch do its scans."""

    def load(path: Path) -> VMamba:
        model = load_model(path)
        set_scan_backend(model, "reference")
        return model

    return load


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
