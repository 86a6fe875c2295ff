"""Segmentation: IoU by class, of all pixels of a data set taken together."""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vmamba_deploy.evaluation.classes import ModelClasses
from vmamba_deploy.evaluation.intervals import percent
from vmamba_deploy.evaluation.judging import Thresholds, missed
from vmamba_deploy.evaluation.label_maps import (
    SegmentedImage,
    read_annotation,
    read_label_maps,
)
from vmamba_deploy.evaluation.pixel_counts import Accuracy, Counts, accuracy_of, count_pixels
from vmamba_deploy.evaluation.results import Result
from vmamba_deploy.evaluation.samples import DataSet
from vmamba_deploy.evaluation.scorer import Scorer, Source, Table, Tally, Work
from vmamba_deploy.evaluation.scorers.pictures import PictureJudge, opened_model
from vmamba_deploy.evaluation.summary import WORST_IMAGES, skipped_of
from vmamba_deploy.evaluation.timing import Timing, timing_of
from vmamba_deploy.tasks import SEGMENTATION

if TYPE_CHECKING:
    from vmamba_deploy.artifacts.manifest import Manifest
    from vmamba_deploy.evaluation.loading import LoadedBatch
    from vmamba_deploy.preprocessing.decode import ByteArray
    from vmamba_deploy.tasks.segmentation import Segmentation


_COLUMNS = ("file", "mean_iou", "pixel_accuracy", "pixels", "error")


@dataclass(frozen=True)
class SegmentationResult(Result):
    """Of a segmenter.

    Attributes:
        counts: (class, shared, given, true) pixels of every class that either side has.
    """

    counts: tuple[tuple[int, int, int, int], ...] = ()


@dataclass(frozen=True)
class ClassIou:
    """One class; a figure is NaN where nothing says what it is.

    Attributes:
        index, name: of the class.
        pixels: of it in the data.
        iou: pixels that both give the class by pixels that either does.
        accuracy: share of its pixels that the network gives it.
    """

    index: int
    name: str
    pixels: int
    iou: float
    accuracy: float


@dataclass(frozen=True)
class WorstImage:
    """An image with a low mean IoU.

    Attributes:
        index: position of the sample.
        name: of the file, relative to the data set.
        mean_iou: over the classes that its truth or its answer has.
        pixel_accuracy: share of its pixels that have their class.
        missed: (class, pixels) of the class of which most pixels were not found; None when every
            pixel was.
        added: (class, pixels) of the class that most pixels were wrongly given; None likewise.
    """

    index: int
    name: str
    mean_iou: float
    pixel_accuracy: float
    missed: tuple[int, int] | None
    added: tuple[int, int] | None


@dataclass(frozen=True)
class SegmentationSummary:
    """The figures of an evaluation of label maps.

    Attributes:
        mean_iou, mean_accuracy: over the classes where they are known.
        pixel_accuracy: share of all pixels that have their class.
        pixels: that count.
        classes: that the data or the answers have, by index.
        worst_images: that are not all right, lowest mean IoU first, 48 at most.
        skipped: (name, reason) of images that could not be read; they do not count.
        timing: None when no image could be read.
    """

    mean_iou: float
    pixel_accuracy: float
    mean_accuracy: float
    pixels: int
    classes: tuple[ClassIou, ...]
    worst_images: tuple[WorstImage, ...]
    skipped: tuple[tuple[str, str], ...]
    timing: Timing | None


class SegmentationScorer(Scorer):
    """mIoU, pixel accuracy and mean accuracy."""

    task = SEGMENTATION.name
    result = SegmentationResult
    usual_batch = 1
    thresholds = frozenset({"min_miou_percent"})

    def read_data(self, source: Source, manifest: Manifest) -> DataSet[SegmentedImage]:
        """See `Scorer`."""
        names = ModelClasses(manifest.classes, manifest.labels or None).names()
        return read_label_maps(
            source.data,
            names,
            split=source.split,
            reduce_zero_label=source.reduce_zero_label,
        )

    @contextmanager
    def open(self, work: Work) -> Iterator[SegmentationJudge]:
        """See `Scorer`."""
        with opened_model(work) as model:
            yield SegmentationJudge(model, work)

    def tally(self, data: DataSet[SegmentedImage]) -> Tally:
        """See `Scorer`."""
        return _MeanIou(data)

    def summarise(
        self, data: DataSet[SegmentedImage], results: Iterable[SegmentationResult], *, top_k: int
    ) -> SegmentationSummary:
        """See `Scorer`."""
        every = list(results)
        scored = [one for one in every if one.error is None]
        counts = sum((_dense(one, len(data.class_names)) for one in scored), _nothing(data))
        found = accuracy_of(counts)
        either = np.flatnonzero(counts[1:].any(axis=0))
        return SegmentationSummary(
            mean_iou=found.mean_iou,
            pixel_accuracy=found.pixel_accuracy,
            mean_accuracy=found.mean_accuracy,
            pixels=int(counts[2].sum()),
            classes=tuple(
                ClassIou(
                    int(index),
                    data.class_names[index],
                    int(counts[2, index]),
                    float(found.iou[index]),
                    float(found.accuracy[index]),
                )
                for index in either
            ),
            worst_images=_worst(data, scored),
            skipped=skipped_of(data, every),
            timing=timing_of(scored),
        )

    def table(self, data: DataSet[SegmentedImage], results: Iterable[SegmentationResult]) -> Table:
        """See `Scorer`."""
        ordered = sorted(results, key=lambda one: one.index)
        return Table(_COLUMNS, (_row(data, one) for one in ordered))

    def shortfalls(self, summary: SegmentationSummary, thresholds: Thresholds) -> list[str]:
        """See `Scorer`."""
        return missed("mIoU", summary.mean_iou, thresholds.min_miou_percent)


class SegmentationJudge(PictureJudge):
    """An opened segmenter."""

    @property
    def _classes(self) -> int:
        return int(self.model.manifest.classes)

    def answer(self, images: Sequence[ByteArray]) -> Sequence[Segmentation]:
        """The classes of their pixels."""
        answers: Sequence[Segmentation] = self.model.segment(list(images))
        return answers

    def read(self, sample: SegmentedImage) -> Any:
        """The image [h,w,C] uint8 and its true classes [h,w]."""
        image = self.read_picture(sample.path)
        return image, read_annotation(sample, (image.shape[0], image.shape[1]), self._classes)

    def score(self, loaded: LoadedBatch) -> list[SegmentationResult]:
        """See `Judge`."""
        start = time.perf_counter()
        answers = self.answer([image for image, _ in loaded.contents])
        each = (time.perf_counter() - start) * 1e3 / len(answers)
        return [
            SegmentationResult(
                index=read.index,
                counts=_sparse(count_pixels(answer.labels, truth, self._classes)),
                preprocess_ms=read.preprocess_ms,
                inference_ms=round(each, 4),
            )
            for read, answer, (_, truth) in zip(
                loaded.images, answers, loaded.contents, strict=True
            )
        ]


class _MeanIou(Tally):
    """Mean IoU so far."""

    def __init__(self, data: DataSet[SegmentedImage]) -> None:
        super().__init__(len(data.samples))
        self._counts = _nothing(data)

    def count(self, result: SegmentationResult) -> None:
        self._counts += _dense(result, self._counts.shape[1])

    def figures(self) -> str:
        mean = accuracy_of(self._counts).mean_iou
        return f"mIoU {percent(mean)}" if math.isfinite(mean) else "no pixel that counts"


def _worst(
    data: DataSet[SegmentedImage], scored: Iterable[SegmentationResult]
) -> tuple[WorstImage, ...]:
    judged = (_judged(data, one) for one in scored if one.counts)
    flawed = (one for one in judged if one.missed is not None)
    worst = heapq.nsmallest(WORST_IMAGES, flawed, key=lambda one: (one.mean_iou, one.index))
    return tuple(worst)


def _judged(data: DataSet[SegmentedImage], result: SegmentationResult) -> WorstImage:
    found = _accuracy(result)
    return WorstImage(
        index=result.index,
        name=data.samples[result.index].name,
        mean_iou=found.mean_iou,
        pixel_accuracy=found.pixel_accuracy,
        missed=_most((index, true - shared) for index, shared, _, true in result.counts),
        added=_most((index, given - shared) for index, shared, given, _ in result.counts),
    )


def _most(pixels: Iterable[tuple[int, int]]) -> tuple[int, int] | None:
    """The class with most pixels, the first of equal ones; None when none has any."""
    most = max(pixels, key=lambda item: item[1], default=(0, 0))
    return most if most[1] else None


def _accuracy(result: SegmentationResult) -> Accuracy:
    """Of one image, over the classes that it has."""
    counts = np.array([pixels for _, *pixels in result.counts], np.int64).reshape(-1, 3)
    return accuracy_of(counts.T)


def _row(
    data: DataSet[SegmentedImage], result: SegmentationResult
) -> tuple[str | float | None, ...]:
    """No figure of an image that could not be read, or of which no pixel counts."""
    name = data.samples[result.index].name
    if not result.counts:
        return (name, None, None, 0 if result.error is None else None, result.error)
    found = _accuracy(result)
    pixels = sum(true for *_, true in result.counts)
    return (name, found.mean_iou, found.pixel_accuracy, pixels, None)


def _nothing(data: DataSet[SegmentedImage]) -> Counts:
    return np.zeros((3, len(data.class_names)), np.int64)


def _sparse(counts: Counts) -> tuple[tuple[int, int, int, int], ...]:
    return tuple(
        (int(index), *(int(one) for one in counts[:, index]))  # type: ignore[misc]  # 1 + 3
        for index in np.flatnonzero(counts[1:].any(axis=0))
    )


def _dense(result: SegmentationResult, classes: int) -> Counts:
    counts = np.zeros((3, classes), np.int64)
    for index, *pixels in result.counts:
        counts[:, index] = pixels
    return counts
