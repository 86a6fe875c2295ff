"""From results to figures: accuracy, agreement, classes, calibration, wrong images, times."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from vmamba_deploy.evaluation.calibration import Calibration, calibration_of
from vmamba_deploy.evaluation.class_figures import (
    ClassAccuracy,
    ConfusedPair,
    Confusion,
    class_figures,
)
from vmamba_deploy.evaluation.intervals import Proportion, proportion
from vmamba_deploy.evaluation.results import ImageResult, ReferenceResult, Result
from vmamba_deploy.evaluation.samples import DataSet, Sample
from vmamba_deploy.evaluation.timing import Timing, timing_of

WORST_IMAGES = 48
"""Wrong images that are told one by one; all of them are counted."""


@dataclass(frozen=True)
class WrongImage:
    """An image whose top-1 class is not its label.

    Attributes:
        index: position of the sample.
        name: of the file, relative to the data set.
        label, candidate: class indices: the truth, the prediction (None when the logits were not
            finite).
        probability: of the prediction, 0 to 1; NaN likewise.
    """

    index: int
    name: str
    label: int
    candidate: int | None
    probability: float


@dataclass(frozen=True)
class ChangedImage:
    """An image whose top-1 class is not PyTorch's.

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
        same: images with the same top-1 class.
        reference_top1: PyTorch's own accuracy on the same images.
        nmse: sum(d^2) / sum(r^2) over all logits; NaN when some are not finite.
        max_abs: largest difference of any logit.
        cosine: smallest over the images.
        changed: every image with another top-1 class, the surest of PyTorch's first.
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
class Summary:
    """The figures of an evaluation.

    Attributes:
        top1: images whose top-1 class, the one of the largest logit, is their label.
        top_k: images whose label is among the `k` largest; None when the model has so few classes
            that it says nothing.
        k: how many.
        macro_f1: mean F1 of the classes that have images or were predicted.
        balanced_accuracy: mean recall of the classes that have images.
        not_finite: images whose logits were NaN or infinite; they count as wrong.
        skipped: (name, reason) of images that could not be read; they do not count.
        agreement: with PyTorch; None when not asked for.
        classes: all classes that have images or were predicted, by index.
        worst: indices of those that are not all right, lowest recall first, ten at most.
        confusion: of all of `classes`; None of more than 50, and of no image.
        confused_pairs: the most frequent first, 50 at most.
        calibration: of the images with finite logits; None when there are none.
        wrong: wrong images, the most confident first, 48 at most.
        timing: None when no image could be read.
    """

    top1: Proportion
    top_k: Proportion | None
    k: int
    macro_f1: float
    balanced_accuracy: float
    not_finite: int
    skipped: tuple[tuple[str, str], ...]
    agreement: Agreement | None
    classes: tuple[ClassAccuracy, ...]
    worst: tuple[int, ...]
    confusion: Confusion | None
    confused_pairs: tuple[ConfusedPair, ...]
    calibration: Calibration | None
    wrong: tuple[WrongImage, ...]
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
    pairs = Counter((label, one.first) for one, label in zip(scored, labels, strict=True))
    return Summary(
        top1=proportion(correct, len(scored)),
        top_k=proportion(among, len(scored)) if meaningful else None,
        k=top_k,
        not_finite=sum(not one.top for one in scored),
        skipped=skipped_of(data, ordered),
        agreement=_agreement(data, scored, labels),
        **vars(class_figures(pairs, data.class_names)),
        calibration=calibration_of(
            (one.probability, one.first == label)
            for one, label in zip(scored, labels, strict=True)
            if one.top
        ),
        wrong=_wrong(data, scored),
        timing=timing_of(
            scored, [one.reference.milliseconds for one in scored if one.reference is not None]
        ),
    )


def _wrong(data: DataSet[Sample], scored: Iterable[ImageResult]) -> tuple[WrongImage, ...]:
    """The most confident first; those without finite logits last."""
    mistakes = (one for one in scored if one.first != data.samples[one.index].label)
    surest = heapq.nsmallest(
        WORST_IMAGES,
        mistakes,
        key=lambda one: (not one.top, -one.probability if one.top else 0.0, one.index),
    )
    return tuple(
        WrongImage(
            index=one.index,
            name=data.samples[one.index].name,
            label=data.samples[one.index].label,
            candidate=one.first,
            probability=one.probability,
        )
        for one in surest
    )


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
