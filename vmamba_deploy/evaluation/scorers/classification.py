"""Classification: the first classes of images that have one."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vmamba_deploy.errors import UsageError
from vmamba_deploy.evaluation.classes import ModelClasses, read_class_list
from vmamba_deploy.evaluation.intervals import percent
from vmamba_deploy.evaluation.judging import Bars, shortfalls
from vmamba_deploy.evaluation.results import ImageResult
from vmamba_deploy.evaluation.samples import DataSet, Sample, read_samples
from vmamba_deploy.evaluation.scorer import Scorer, Source, Tally, Work
from vmamba_deploy.evaluation.scoring import score
from vmamba_deploy.evaluation.summary import Summary, summarise
from vmamba_deploy.preprocessing import preprocess
from vmamba_deploy.tasks import CLASSIFICATION

if TYPE_CHECKING:
    from vmamba_deploy.artifacts.manifest import Manifest
    from vmamba_deploy.evaluation.loading import LoadedBatch
    from vmamba_deploy.inference import Classifier


class ClassificationScorer(Scorer):
    """Top-1, top-k and agreement with PyTorch."""

    task = CLASSIFICATION.name
    result = ImageResult
    usual_batch = 32
    bars = frozenset({"min_top1_percent", "max_changed"})

    def check(self, manifest: Manifest, folder: Path) -> None:
        """See `Scorer`."""
        manifest.prepared().require_files(
            "give arrays to vmamba_deploy.inference.load(...).classify, and count"
        )
        if manifest.classes == 1:
            raise UsageError(
                f"{folder} gives a single logit, so every image would count as its one class",
                hint="take the probabilities of `vmamba-deploy predict` or of `classify`, and "
                "judge them at a threshold of your own",
            )

    def read_data(self, source: Source, manifest: Manifest) -> DataSet[Sample]:
        """See `Scorer`."""
        count, file = manifest.classes, source.classes_file
        listed = read_class_list(file, count) if file is not None else None
        return read_samples(source.data, ModelClasses(count, manifest.labels or None, listed))

    @contextmanager
    def open(self, work: Work) -> Iterator[ClassificationJudge]:
        """See `Scorer`."""
        from vmamba_deploy.inference import load_classifier

        with load_classifier(
            work.artifact, runtime=work.runtime, streams=1, threads=work.threads
        ) as model:
            yield ClassificationJudge(model, work)

    def tally(self, data: DataSet[Sample]) -> Tally:
        """See `Scorer`."""
        return _Top1(data)

    def summarise(
        self, data: DataSet[Sample], results: Iterable[ImageResult], *, top_k: int
    ) -> Summary:
        """See `Scorer`."""
        return summarise(data, results, top_k=top_k)

    def shortfalls(self, summary: Summary, bars: Bars) -> list[str]:
        """See `Scorer`."""
        return shortfalls(summary, bars)


class ClassificationJudge:
    """An opened classifier, and the reference beside it where there is one."""

    def __init__(self, model: Classifier, work: Work) -> None:
        self._model, self._work = model, work
        self._reference = work.reference() if work.reference is not None else None

    @property
    def runtime(self) -> str:
        """Name of what executes."""
        return self._model.runtime

    def warm_up(self) -> None:
        """See `Judge`."""
        black = np.zeros((8, 8, self._model.preprocessing.channels), np.uint8)
        pixels = self._model.preprocess([black])
        self._model(pixels)
        if self._reference is not None:
            self._reference(pixels)

    def read(self, sample: Sample) -> Any:
        """The image as the network takes it."""
        return preprocess(sample.path, self._model.preprocessing, max_pixels=self._work.max_pixels)

    def score(self, loaded: LoadedBatch) -> list[ImageResult]:
        """See `Judge`."""
        pixels = np.stack(loaded.contents)
        start = time.perf_counter()
        logits = self._model(pixels)
        between = time.perf_counter()
        expected = None if self._reference is None else self._reference(pixels)
        return score(
            [ImageResult(one.index, preprocess_ms=one.preprocess_ms) for one in loaded.images],
            logits,
            top_k=self._work.top_k,
            milliseconds=(between - start) * 1e3,
            reference=expected,
            reference_ms=(time.perf_counter() - between) * 1e3,
        )


class _Top1(Tally):
    """Top-1 accuracy so far."""

    def __init__(self, data: DataSet[Sample]) -> None:
        super().__init__(len(data.samples))
        self._data, self._correct = data, 0

    def count(self, result: ImageResult) -> None:
        self._correct += result.first == self._data.samples[result.index].label

    def figures(self) -> str:
        return f"top-1 {percent(self._correct / self._seen)}"
