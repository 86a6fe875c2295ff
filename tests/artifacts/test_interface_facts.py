"""What a manifest says of a user's network fits its tensors, or the manifest is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tests.artifacts.bad_manifests import GOOD_ONES
from vmamba_deploy.artifacts.manifest import MANIFEST_NAME, read_manifest
from vmamba_deploy.errors import IntegrityError, UsageError
from vmamba_deploy.tasks.custom import CUSTOM


def document() -> dict[str, Any]:
    """Of a network with two inputs, without an engine."""
    found: dict[str, Any] = json.loads(GOOD_ONES["no_engine"])
    found |= {"task": CUSTOM, "preprocessing": None, "labels": None, "preset": "custom"}
    found["onnx"]["inputs"] = [
        {"name": "image", "dtype": "float32", "shape": ["batch", 3, "h", 64]},
        {"name": "ids", "dtype": "int64", "shape": ["batch", 16]},
    ]
    found["onnx"]["outputs"] = [
        {"name": "sharp", "dtype": "float32", "shape": ["batch", 3, "2*h", 128]},
        {"name": "labels", "dtype": "int32", "shape": ["batch"]},
    ]
    found["interface"] = {
        "network": "net.py:build",
        "kinds": {"sharp": "image", "labels": "label_map"},
        "axes": {"batch": 1, "h": 64},
        "values": {"ids": [0.0, 9.0]},
    }
    return found


def read(folder: Path, changed: dict[str, Any]) -> Any:
    (folder / MANIFEST_NAME).write_text(json.dumps(changed))
    return read_manifest(folder)


def test_the_task_is_made_of_the_files_own_tensors(tmp_path: Path) -> None:
    manifest = read(tmp_path, document())
    task = manifest.known_task
    assert task.name == CUSTOM
    assert task.input_names == ("image", "ids")
    assert task.first.shape == ("batch", 3, "h", 64)
    assert task.inputs[0].values == (0.0, 9.0)
    assert [(one.name, one.kind, one.dtype) for one in task.outputs] == [
        ("sharp", "image", "float32"),
        ("labels", "label_map", "int32"),
    ]
    assert task.batches == (1, 8, 32)
    with pytest.raises(UsageError, match="nothing says how images become image"):
        manifest.prepared()
    with pytest.raises(UsageError, match="is no classifier: its task is custom") as told:
        manifest.require_classifier(tmp_path)
    assert "--task" not in str(told.value.hint)


def without(place: str) -> Any:
    return lambda found: found["interface"].pop(place)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda found: found.pop("interface"), "goes with the task custom alone"),
        (lambda found: found.update(task="features"), "goes with the task custom alone"),
        (without("kinds"), "kinds"),
        (without("network"), "network"),
        (without("axes"), r"the free axes are \['batch', 'h'\], traced are \[\]"),
        (lambda found: found["interface"]["axes"].update(w=3), "traced are"),
        (lambda found: found["interface"]["axes"].update(h=0), "h"),
        (lambda found: found["interface"]["kinds"].pop("labels"), "the outputs with a kind are"),
        (lambda found: found["interface"]["kinds"].update(sharp="boxes"), "kinds"),
        (lambda found: found["interface"]["values"].update(no=[0, 1]), "values of no"),
        (lambda found: found["interface"]["values"].update(ids=[1, 0]), "from the least"),
        (lambda found: found["interface"]["values"].update(ids=[0]), "values"),
        (lambda found: found["interface"].update(more=1), "more"),
        (lambda found: found["onnx"]["inputs"][1].update(dtype="float64"), "ids is float64"),
        (lambda found: found["onnx"]["outputs"][0].update(dtype="float16"), "sharp is float16"),
    ],
)
def test_what_contradicts_the_tensors_is_refused(tmp_path: Path, change: Any, words: str) -> None:
    changed = document()
    change(changed)
    with pytest.raises(IntegrityError, match=words):
        read(tmp_path, changed)


def test_values_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    changed = document()
    changed["interface"]["values"]["ids"] = [0, math.inf]
    with pytest.raises(IntegrityError):
        read(tmp_path, changed)


def test_a_network_of_ours_says_how_its_images_are_prepared(tmp_path: Path) -> None:
    changed = json.loads(GOOD_ONES["no_engine"]) | {"preprocessing": None}
    with pytest.raises(IntegrityError, match="nothing says how images are prepared"):
        read(tmp_path, changed)


def test_a_profile_is_of_the_first_input(tmp_path: Path) -> None:
    changed = json.loads(GOOD_ONES["engine"])
    for shape in changed["engine"]["profile"].values():
        del shape[-1]
    with pytest.raises(IntegrityError, match="a profile has 4 sides each, as pixel_values has"):
        read(tmp_path, changed)
