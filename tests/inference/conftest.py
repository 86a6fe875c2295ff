from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def artifact(digits_artifact) -> Path:
    """The digits model in fp32: batches 1 to 64 in its engine, ten labels, images of 32 pixels."""
    return digits_artifact("fp32")


@pytest.fixture(scope="session")
def images(digits_folder) -> list[Path]:
    return sorted(digits_folder.rglob("*.png"))
