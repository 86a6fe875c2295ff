"""Small data sets with a truth, and models that know it, more or less."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vmamba_deploy.evaluation.running import open_evaluator
from vmamba_deploy.evaluation.scorer import Source, Work
from vmamba_deploy.evaluation.scorers import scorer_of

NAMES = ("sky", "sea", "sand", "gull")


@dataclass(frozen=True)
class Box:
    """A detection as an application gets it."""

    label: int
    score: float
    box: tuple[float, float, float, float]
    mask: np.ndarray


def manifest(task: str, names: tuple[str, ...] = NAMES) -> Any:
    return SimpleNamespace(task=task, classes=len(names), labels=names)


class Model:
    """An opened artefact whose answers a test makes of the image's pixels."""

    runtime = "onnxruntime"
    preprocessing = SimpleNamespace(channels=3)

    def __init__(self, task: str, answer: Any) -> None:
        self.manifest, self._answer, self.given = manifest(task), answer, []

    def segment(self, images: list[np.ndarray]) -> list[Any]:
        self.given.append(len(images))
        return [SimpleNamespace(labels=self._answer(one)) for one in images]

    def detect(self, images: list[np.ndarray]) -> list[Any]:
        self.given.append(len(images))
        return [self._answer(one) for one in images]


def results_of(
    monkeypatch: pytest.MonkeyPatch, task: str, source: Source, answer: Any, **work: Any
) -> tuple[Any, list[Any], Model]:
    """The data set, one result per image, through the evaluator, and the model."""
    model = Model(task, answer)

    @contextmanager
    def load(_folder: Path, **_options: Any) -> Any:
        yield model

    monkeypatch.setattr("vmamba_deploy.inference.load", load)
    data = scorer_of(task).read_data(source, manifest(task))
    with open_evaluator(Work(Path(), task=task, **work)) as evaluator:
        outcomes = list(evaluator.run(data.batches(2)))
    assert {one.runtime for one in outcomes} == {"onnxruntime"}
    return data, [result for one in outcomes for result in one.results], model


def as_read_again(task: str, results: list[Any]) -> list[Any]:
    """The results as a journal gives them back."""
    scorer = scorer_of(task)
    return [
        scorer.result.from_json(json.loads(json.dumps(one.as_json(), allow_nan=False)))
        for one in results
    ]


def save_image(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)
