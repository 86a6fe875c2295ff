from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vmamba_deploy.evaluation.samples import DataSet, Sample


def write_tree(root: Path, *names: str) -> Path:
    """Small grey images, each of another shade."""
    for shade, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4), shade, np.uint8)).save(root / name)
    return root


@pytest.fixture
def tree(tmp_path: Path) -> Callable[..., Path]:
    def make(*names: str) -> Path:
        return write_tree(tmp_path / "data", *names)

    return make


@pytest.fixture
def sample_set() -> Callable[..., DataSet[Sample]]:
    """A set of samples with given labels whose files nobody opens."""

    def make(labels: list[int], names: tuple[str, ...]) -> DataSet[Sample]:
        samples = tuple(
            Sample(Path(f"/data/{position}.png"), f"{position}.png", label)
            for position, label in enumerate(labels)
        )
        return DataSet(Path("/data"), "folder", samples, names, "by name")

    return make
