"""From results to figures: accuracy, agreement, classes, confusions, times."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from vmamba_deploy.evaluation.intervals import Proportion, proportion
from vmamba_deploy.evaluation.results import ImageResult, ReferenceResult, Result
from vmamba_deploy.evaluation.samples import DataSet, Sample

WORST_CLASSES = 10
_TAKEN_FOR = 3


@dataclass(frozen=True)
class ClassAccuracy:
    """One class.

    Attributes:
        index, name: of the class.
        images: of it that were evaluated.
        correct: of those.
        taken_for: the classes that its other images were taken for, with their number, the most
            frequent first, three at most; class None stands for logits that were not finite.
    """

    index: int
    name: str
    images: int
    correct: int
    taken_for: tuple[tuple[int | None, int], ...]

    @property
    def accuracy(self) -> float:
        """Share of its images that were right."""
        return self.correct / self.images


@dataclass(frozen=True)
class Confusion:
    """How often images of some classes were taken for others.

    Attributes:
        rows: true classes, the worst first.
        columns: predicted classes: the rows, and what else they were taken for.
        counts: [rows][columns] images.
        elsewhere: [rows] images that were taken for a class outside of the columns.
    """

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    counts: tuple[tuple[int, ...], ...]
    elsewhere: tuple[int, ...]


@dataclass(frozen=True)
class ChangedImage:
    """An image whose first class is not PyTorch's.

    Attributes:
        index: position of the sample.
        name: of the file, relative to the data set.
        label, reference, candidate: class indices: the truth, PyTorch's, the artefact's (None
            when its logits were not finite).
        reference_margin, margin: first minus second logit; how sure each was.
    """

    index: int
    name: str
    label: int
    reference: int
    candidate: int | None
    reference_margin: float
    margin: float


@dataclass(frozen=True)
class Agreement:
    """How far the artefact is from PyTorch.

    Attributes:
        same: images with the same first class.
        reference_top1: PyTorch's own accuracy on the same images.
        nmse: sum(d^2) / sum(r^2) over all logits; NaN when some are not finite.
        max_abs: largest difference of any logit.
        cosine: smallest over the images.
        changed: every image with another first class, the surest of PyTorch's first.
        changed_images: how many.
    """

    same: Proportion
    reference_top1: Proportion
    nmse: float
    max_abs: float
    cosine: float
    changed: tuple[ChangedImage, ...]
    changed_images: int


@dataclass(frozen=True)
class Percentiles:
    """Milliseconds per image."""

    p50: float
    p90: float
    p99: float
    mean: float


@dataclass(frozen=True)
class Timing:
    """Times per image; of inference and reference, an image's share of its batch."""

    preprocess: Percentiles
    inference: Percentiles
    reference: Percentiles | None


@dataclass(frozen=True)
class Summary:
    """The figures of an evaluation.

    Attributes:
        top1: images whose first class is their label.
        top_k: images whose label is among the first `k`; None when the model has so few classes
            that it says nothing.
        k: how many.
        not_finite: images whose logits were NaN or infinite; they count as wrong.
        skipped: (name, reason) of images that could not be read; they do not count.
        agreement: with PyTorch; None when not asked for.
        classes: all classes that have images, by index.
        worst: indices of those that are not all right, worst first, ten at most.
        confusion: of the worst; None when every image is right.
        timing: None when no image could be read.
    """

    top1: Proportion
    top_k: Proportion | None
    k: int
    not_finite: int
    skipped: tuple[tuple[str, str], ...]
    agreement: Agreement | None
    classes: tuple[ClassAccuracy, ...]
    worst: tuple[int, ...]
    confusion: Confusion | None
    timing: Timing | None


class AnySummary(Protocol):
    """The figures of an evaluation, whatever the task; see the scorers.

    Attributes:
        skipped: (name, reason) of images that could not be read.
        timing: None when no image could be read.
    """

    @property
    def skipped(self) -> tuple[tuple[str, str], ...]: ...  # noqa: D102 - said above

    @property
    def timing(self) -> Timing | None: ...  # noqa: D102 - said above


def summarise(data: DataSet[Sample], results: Iterable[ImageResult], *, top_k: int) -> Summary:
    """Count.

    Args:
        data: what was evaluated.
        results: one per sample, in any order.
        top_k: classes kept per image. Below it plus one classes, or for 1, `top_k` is left out.
    """
    ordered = sorted(results, key=lambda result: result.index)
    scored = [result for result in ordered if result.error is None]
    labels = [data.samples[result.index].label for result in scored]
    correct = sum(one.first == label for one, label in zip(scored, labels, strict=True))
    among = sum(label in one.top for one, label in zip(scored, labels, strict=True))
    meaningful = 1 < top_k < len(data.class_names)
    classes = _by_class(data, scored, labels)
    worst = _worst(classes)
    return Summary(
        top1=proportion(correct, len(scored)),
        top_k=proportion(among, len(scored)) if meaningful else None,
        k=top_k,
        not_finite=sum(not one.top for one in scored),
        skipped=skipped_of(data, ordered),
        agreement=_agreement(data, scored, labels),
        classes=classes,
        worst=worst,
        confusion=_confusion(scored, labels, worst) if worst else None,
        timing=timing_of(
            scored, [one.reference.milliseconds for one in scored if one.reference is not None]
        ),
    )


def _by_class(
    data: DataSet[Sample], scored: Sequence[ImageResult], labels: Sequence[int]
) -> tuple[ClassAccuracy, ...]:
    answers: dict[int, Counter[int | None]] = {}
    for one, label in zip(scored, labels, strict=True):
        answers.setdefault(label, Counter())[one.first] += 1
    classes = []
    for label, counted in sorted(answers.items()):
        wrong = Counter({first: times for first, times in counted.items() if first != label})
        classes.append(
            ClassAccuracy(
                index=label,
                name=data.class_names[label],
                images=counted.total(),
                correct=counted[label],
                taken_for=tuple(_most_common(wrong, _TAKEN_FOR)),
            )
        )
    return tuple(classes)


def _most_common(counted: Counter[int | None], count: int) -> list[tuple[int | None, int]]:
    """Ties by index, so that the order of the results does not show."""
    order = sorted(counted.items(), key=lambda item: (-item[1], -1 if item[0] is None else item[0]))
    return order[:count]


def _worst(classes: Sequence[ClassAccuracy]) -> tuple[int, ...]:
    flawed = [one for one in classes if one.correct < one.images]
    flawed.sort(key=lambda one: (one.accuracy, -one.images, one.index))
    return tuple(one.index for one in flawed[:WORST_CLASSES])


def _confusion(
    scored: Sequence[ImageResult], labels: Sequence[int], rows: tuple[int, ...]
) -> Confusion:
    pairs = Counter(
        (label, one.first)
        for one, label in zip(scored, labels, strict=True)
        if label in set(rows) and one.first is not None
    )
    confused = Counter({one: times for one, times in pairs.items() if one[0] != one[1]})
    frequent = sorted(confused.items(), key=lambda item: (-item[1], item[0]))
    others = dict.fromkeys(pair[1] for pair, _ in frequent if pair[1] not in rows)
    columns = (*rows, *list(others)[:WORST_CLASSES])
    counts = tuple(tuple(pairs[row, column] for column in columns) for row in rows)
    totals = Counter(labels)
    elsewhere = tuple(totals[row] - sum(line) for row, line in zip(rows, counts, strict=True))
    return Confusion(rows, columns, counts, elsewhere)


def _agreement(
    data: DataSet[Sample], scored: Sequence[ImageResult], labels: Sequence[int]
) -> Agreement | None:
    references = [one.reference for one in scored if one.reference is not None]
    if not references:
        return None
    changed = [
        _changed(data, one, one.reference) for one in scored if one.reference and one.changed
    ]
    changed.sort(key=lambda one: (-one.reference_margin, one.index))
    right = sum(one.first == label for one, label in zip(references, labels, strict=True))
    error = math.fsum(one.squared_error for one in references)
    size = math.fsum(one.squared_reference for one in references)
    return Agreement(
        same=proportion(len(references) - len(changed), len(references)),
        reference_top1=proportion(right, len(references)),
        nmse=error / size if size else (0.0 if error == 0 else math.inf),
        max_abs=float(np.max([one.max_abs for one in references])),
        cosine=float(np.min([one.cosine for one in references])),
        changed=tuple(changed),
        changed_images=len(changed),
    )


def _changed(
    data: DataSet[Sample], result: ImageResult, reference: ReferenceResult
) -> ChangedImage:
    sample = data.samples[result.index]
    return ChangedImage(
        index=result.index,
        name=sample.name,
        label=sample.label,
        reference=reference.first,
        candidate=result.first,
        reference_margin=reference.margin,
        margin=result.margin,
    )


def skipped_of(data: DataSet[Any], results: Iterable[Result]) -> tuple[tuple[str, str], ...]:
    """(name, reason) of the images that could not be read, in the order of the set."""
    return tuple(
        (data.samples[one.index].name, one.error)
        for one in sorted(results, key=lambda one: one.index)
        if one.error is not None
    )


def timing_of(scored: Sequence[Result], references: Sequence[float] = ()) -> Timing | None:
    """The times of images that were run, and of a reference; None of no image."""
    if not scored:
        return None
    return Timing(
        preprocess=_percentiles([one.preprocess_ms for one in scored]),
        inference=_percentiles([one.inference_ms for one in scored]),
        reference=_percentiles(references) if references else None,
    )


def _percentiles(values: Sequence[float]) -> Percentiles:
    p50, p90, p99 = np.percentile(values, [50, 90, 99])
    return Percentiles(float(p50), float(p90), float(p99), float(np.mean(values)))
