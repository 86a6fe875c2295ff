"""The step that loads the weights: what it tells of them, and which questions it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.pipeline.conftest import GOLDEN
from vmamba_deploy.errors import UsageError
from vmamba_deploy.models import load_weights
from vmamba_deploy.pipeline.events import Event, Steps
from vmamba_deploy.pipeline.plan import ExportPlan
from vmamba_deploy.pipeline.weights import load_planned

WEIGHTS = GOLDEN / "vssm_s2.pth"


def events_of(weights: Path, **asked: Any) -> list[Event]:
    events: list[Event] = []
    load_planned(ExportPlan(model=None, weights=str(weights), **asked), Steps(events.append))
    return events


def line_of(weights: Path, **asked: Any) -> str:
    (line,) = (each.message for each in events_of(weights, **asked) if each.seconds is not None)
    return line


def test_the_size_that_weights_were_trained_at_is_told(digits_weights: Path) -> None:
    assert line_of(digits_weights).endswith("images of 32x32, as the weights say")
    assert "images of" not in line_of(digits_weights, image_size=(64, 64))
    assert "images of" not in line_of(WEIGHTS)
    warnings = [each for each in events_of(digits_weights) if each.event == "warning"]
    assert warnings == []


@pytest.mark.parametrize(
    ("beside", "size"),
    [
        ({"args": {"img_size": 96}}, (96, 96)),
        ({"config": {"DATA": {"IMG_SIZE": 384}}}, (384, 384)),
        ({"pretrained_cfg": {"input_size": [3, 64, 128]}}, (64, 128)),
        ({"args": {"img_size": 7}}, None),
        ({"optimizer": {"img_size": 96}}, None),
    ],
)
def test_where_trainers_write_the_size(
    beside: dict[str, Any], size: tuple[int, int] | None, tmp_path: Path
) -> None:
    path = tmp_path / "checkpoint.pth"
    torch.save({"model": load_weights(str(WEIGHTS)).model.state_dict(), **beside}, path)
    loaded = load_weights(str(path))
    assert loaded.origin is not None
    assert loaded.origin.image_size == size
    assert loaded.preprocessing is not None
    assert loaded.preprocessing.crop_pixels == (size or (224, 224))


def test_another_number_of_classes_than_the_weights_have() -> None:
    with pytest.raises(UsageError, match="has 10 classes, and --num-classes 7 asks") as caught:
        line_of(WEIGHTS, num_classes=7)
    assert caught.value.exit_code == 2
    with pytest.raises(UsageError, match="has no classes"):
        line_of(GOLDEN / "vssm_s2_backbone.pth", num_classes=7)
    assert line_of(WEIGHTS, num_classes=10)
