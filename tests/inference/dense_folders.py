"""Loaded models for segmentation and detection around sessions that a test makes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from vmamba_deploy.artifacts.manifest import Manifest
from vmamba_deploy.inference.lanes import LanePool
from vmamba_deploy.inference.loading import _MODELS
from vmamba_deploy.inference.model import Model, OpenModel
from vmamba_deploy.preprocessing import Preprocessing
from vmamba_deploy.tasks import TASKS
from vmamba_deploy.tasks.task import Output

GOOD = Path(__file__).parents[1] / "data" / "manifests" / "no_engine.json"
NAMES = ["wall", "building", "sky", "floor", "tree", "ceiling", "road"]
PALETTE = [[120, 120, 120], [180, 120, 120], [6, 230, 230], [80, 50, 50], [4, 200, 3]]
PALETTE += [[120, 120, 80], [140, 140, 140]]

Answer = Callable[..., dict[str, npt.NDArray[Any]]]


class FakeSession:
    """Answers with a function, and keeps what it was asked."""

    def __init__(self, answer: Answer) -> None:
        self.answer, self.calls = answer, []
        self.sizes: list[Any] = []

    def __call__(
        self, pixel_values: npt.NDArray[Any], **others: npt.NDArray[Any]
    ) -> dict[str, npt.NDArray[Any]]:
        self.calls.append(pixel_values)
        self.sizes.append(others.get("sizes"))
        return self.answer(pixel_values, **others)

    def close(self) -> None:
        """Nothing is held."""


def dense_manifest(
    task: str, preprocessing: Preprocessing, outputs: tuple[str, ...] = (), logits: int = 7
) -> Manifest:
    """Of a network of so many logits for a task, with its optional outputs that are named."""
    classes = TASKS[task].classes(logits)
    described = TASKS[task].with_optional(outputs)
    document = json.loads(GOOD.read_text())
    sides: list[Any] = list(preprocessing.crop_pixels if preprocessing.fixed else ("h", "w"))
    image = ["batch", *sides, 3] if preprocessing.normalisation_in_graph else ["batch", 3, *sides]
    dtype = "uint8" if preprocessing.normalisation_in_graph else "float32"
    document["onnx"]["inputs"] = [
        {"name": "pixel_values", "dtype": dtype, "shape": image},
        *(
            {"name": each.name, "dtype": each.dtype, "shape": list(each.shape)}
            for each in described.inputs
        ),
    ]
    document["onnx"]["outputs"] = [_tensor(each, logits) for each in described.outputs]
    document |= {
        "task": task,
        "preprocessing": preprocessing.as_manifest(),
        "labels": NAMES[:classes],
        "palette": PALETTE[:classes],
        "num_classes": logits,
    }
    return msgspec.convert(document, Manifest)


def _tensor(output: Output, logits: int) -> dict[str, Any]:
    named = {None: "some", "classes": logits}
    return {
        "name": output.name,
        "dtype": output.dtype,
        "shape": [named.get(axis, axis) for axis in output.shape],
    }


def dense_model(
    task: str,
    preprocessing: Preprocessing,
    session: FakeSession,
    outputs: tuple[str, ...] = (),
    largest_batch: int = 4,
) -> Model:
    """The model that `load` gives for such a folder."""
    manifest = dense_manifest(task, preprocessing, outputs)
    opened = OpenModel("fake", LanePool([session]), (1, largest_batch), lambda: None)
    described = TASKS[task].with_outputs([each.name for each in manifest.onnx.outputs])
    assert described is not None
    return _MODELS[task](manifest, opened, described)


def noise(height: int, width: int, seed: int | None = None) -> npt.NDArray[np.uint8]:
    """A picture."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
