"""Classification: the first classes of images that have one."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vmamba_deploy.errors import InputFileError, IntegrityError, UsageError
from vmamba_deploy.evaluation.classes import ModelClasses, read_class_list
from vmamba_deploy.evaluation.intervals import percent
from vmamba_deploy.evaluation.judging import Thresholds, shortfalls
from vmamba_deploy.evaluation.layouts import check_layout
from vmamba_deploy.evaluation.results import ImageResult, ReferenceResult
from vmamba_deploy.evaluation.samples import DataSet, Sample, read_samples
from vmamba_deploy.evaluation.scorer import Scorer, Source, Table, Tally, Work
from vmamba_deploy.evaluation.summary import Summary, summarise
from vmamba_deploy.parity.metrics import cosine
from vmamba_deploy.preprocessing import preprocess
from vmamba_deploy.tasks import CLASSIFICATION
from vmamba_deploy.tasks.classification import top_indices

if TYPE_CHECKING:
    from vmamba_deploy.artifacts.manifest import Manifest
    from vmamba_deploy.evaluation.loading import LoadedBatch
    from vmamba_deploy.inference import Classifier
    from vmamba_deploy.tasks.classification import Logits


_COLUMNS = (
    *("file", "truth", "truth_index", "prediction", "prediction_index", "probability"),
    "correct",
)
_REFERENCE_COLUMNS = ("pytorch", "pytorch_index")


class ClassificationScorer(Scorer):
    """Top-1, top-k and agreement with PyTorch."""

    task = CLASSIFICATION.name
    result = ImageResult
    usual_batch = 32
    thresholds = frozenset({"min_top1_percent", "max_changed"})

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
        if source.layout is not None:
            check_layout(source.data, source.layout)
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

    def table(self, data: DataSet[Sample], results: Iterable[ImageResult]) -> Table:
        """See `Scorer`."""
        ordered = sorted(results, key=lambda one: one.index)
        compared = any(one.reference is not None for one in ordered)
        return Table(
            (*_COLUMNS, *(_REFERENCE_COLUMNS if compared else ()), "error"),
            (_row(data, one, compared=compared) for one in ordered),
        )

    def shortfalls(self, summary: Summary, thresholds: Thresholds) -> list[str]:
        """See `Scorer`."""
        return shortfalls(summary, thresholds)


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


def _row(
    data: DataSet[Sample], result: ImageResult, *, compared: bool
) -> tuple[str | float | None, ...]:
    """Of an image that could not be read, and of logits that are not finite, no prediction."""
    sample = data.samples[result.index]
    known = result.top != ()
    correct = None if result.error is not None else str(result.first == sample.label).lower()
    reference = result.reference.first if result.reference is not None else None
    return (
        sample.name,
        data.class_names[sample.label],
        sample.label,
        *_named(data, result.first),
        result.probability if known else None,
        correct,
        *(_named(data, reference) if compared else ()),
        result.error,
    )


def _named(data: DataSet[Sample], index: int | None) -> tuple[str | None, int | None]:
    return (None, None) if index is None else (data.class_names[index], index)


class _Top1(Tally):
    """Top-1 accuracy so far."""

    def __init__(self, data: DataSet[Sample]) -> None:
        super().__init__(len(data.samples))
        self._data, self._correct = data, 0

    def count(self, result: ImageResult) -> None:
        self._correct += result.first == self._data.samples[result.index].label

    def figures(self) -> str:
        return f"top-1 {percent(self._correct / self._seen)}"


def score(
    images: Sequence[ImageResult],
    logits: Logits,
    *,
    top_k: int,
    milliseconds: float,
    reference: Logits | None = None,
    reference_ms: float = 0.0,
) -> list[ImageResult]:
    """Complete the results of one batch.

    Args:
        images: B results that know their index and preprocessing time.
        logits: [B, K].
        top_k: how many classes to keep; ties go to the lower index.
        milliseconds: that the batch took.
        reference: [B, K] logits of PyTorch for the same pixels.
        reference_ms: that the batch took there.

    Raises:
        IntegrityError: the logits have another shape than the images or the reference.
        InputFileError: the reference's logits are not finite.
    """
    expected = len(images) if reference is None else reference.shape
    if logits.ndim != 2 or expected not in (logits.shape, len(logits)):
        raise IntegrityError(
            f"the artefact gave logits of shape {list(logits.shape)} for {len(images)} images"
        )
    if reference is not None and not np.isfinite(reference).all():
        raise InputFileError(
            "PyTorch gives NaN or infinity on these images",
            hint="the weights are broken: nothing can be compared with them",
        )
    share = round(milliseconds / len(images), 4)
    results = []
    for position, (image, row) in enumerate(zip(images, logits, strict=True)):
        scored = replace(image, inference_ms=share)
        if np.isfinite(row).all():
            scored = replace(
                scored,
                top=_first_classes(row, top_k),
                margin=_margin(row),
                probability=_largest_probability(row),
            )
        if reference is not None:
            compared = _compare(reference[position], row, reference_ms / len(images))
            scored = replace(scored, reference=compared)
        results.append(scored)
    return results


def _first_classes(row: Logits, count: int) -> tuple[int, ...]:
    return tuple(top_indices(row, count).tolist())


def _margin(row: Logits) -> float:
    """First minus second logit; 0 for a single class."""
    if len(row) < 2:
        return 0.0
    second, first = np.partition(row.astype(np.float64), -2)[-2:]
    return float(first - second)


def _largest_probability(row: Logits) -> float:
    """The softmax of the largest logit."""
    exact = row.astype(np.float64)
    return float(1 / np.exp(exact - exact.max()).sum())


def _compare(reference: Logits, candidate: Logits, milliseconds: float) -> ReferenceResult:
    r, c = reference.astype(np.float64), candidate.astype(np.float64)
    known = bool(np.isfinite(c).all())
    d = np.abs(c - r) if known else np.full_like(r, math.nan)
    return ReferenceResult(
        first=_first_classes(reference, 1)[0],
        margin=_margin(reference),
        squared_error=float(np.sum(d**2)),
        squared_reference=float(np.sum(r**2)),
        max_abs=float(d.max()),
        cosine=cosine(r, c) if known else math.nan,
        milliseconds=round(milliseconds, 4),
    )
