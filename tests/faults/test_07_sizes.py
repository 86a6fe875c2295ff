"""Image sizes that none can have, and images of any size into a model of one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.faults.conftest import Refuses
from vmamba_deploy.errors import ExitCode
from vmamba_deploy.inference import load_classifier

NONE = ["0", "31", "32x31", "0x224", "-224", "8193", "99999999999999999999", "224x", "x224", ""]
NONE += ["224x224x3", "1e3", "224.5", "huge", "0x20", "\x1b[2J", "[/b]", "224,224"]


@pytest.mark.parametrize("size", NONE)
def test_a_size_that_none_can_have(refuses: Refuses, tmp_path: Path, size: str) -> None:
    asked = ["export", "-m", "t", f"--image-size={size}", "--no-engine", "-o", tmp_path / "out"]
    refuses(list(asked), ExitCode.USAGE, "size")


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 500), (500, 1), (31, 33), (32, 32), (33, 32), (7, 900), (1000, 999)]
)
def test_an_image_of_any_size_is_classified(artifact: Path, shape: tuple[int, int]) -> None:
    with load_classifier(artifact, runtime="ort", streams=1) as model:
        rgb = np.full((*shape, 3), 77, np.uint8)
        (best,) = model.classify([rgb])
        (same,) = model.classify([np.full((32, 32, 3), 77, np.uint8)])
    # Of one colour, whatever is resized and cropped.
    assert [one.index for one in best] == [one.index for one in same]
    np.testing.assert_allclose(
        [one.probability for one in best], [one.probability for one in same], atol=1e-5
    )
