"""Figures of classes: precision, recall, F1, and which class is taken for which."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

WORST_CLASSES = 10
MATRIX_CLASSES = 50
"""Up to so many classes the whole confusion matrix is kept."""
LISTED_PAIRS = 50
_TAKEN_FOR = 3

Pairs = Mapping[tuple[int, int | None], int]
"""Images by true and predicted class; None stands for logits that were not finite."""


@dataclass(frozen=True)
class ClassAccuracy:
    """One class.

    Attributes:
        index, name: of the class.
        images: of it that were evaluated: its support.
        correct: of those.
        predicted: images that were given this class, rightly or not.
        taken_for: the classes that its other images were taken for, with their number, the most
            frequent first, three at most; class None stands for logits that were not finite.
        precision: correct / predicted; NaN of a class that was never predicted.
        recall: correct / images, the accuracy of the class; NaN of one without images.
        f1: 2 correct / (images + predicted), the harmonic mean of the two.
    """

    index: int
    name: str
    images: int
    correct: int
    predicted: int
    taken_for: tuple[tuple[int | None, int], ...]
    precision: float = field(init=False)
    recall: float = field(init=False)
    f1: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "precision", _ratio(self.correct, self.predicted))
        object.__setattr__(self, "recall", _ratio(self.correct, self.images))
        object.__setattr__(self, "f1", _ratio(2 * self.correct, self.images + self.predicted))


@dataclass(frozen=True)
class Confusion:
    """The whole confusion matrix.

    Attributes:
        classes: indices of the rows and of the columns: those that have images or were predicted.
        counts: [true][predicted] images.
        not_finite: [true] images whose logits were NaN or infinite.
    """

    classes: tuple[int, ...]
    counts: tuple[tuple[int, ...], ...]
    not_finite: tuple[int, ...]


@dataclass(frozen=True)
class ConfusedPair:
    """Images of one class that were taken for another.

    Attributes:
        label, candidate: class indices: the truth, the prediction.
        images: how many.
        share: of the images of `label`.
    """

    label: int
    candidate: int
    images: int
    share: float


@dataclass(frozen=True)
class ClassFigures:
    """What is known of the classes; see `Summary`, which has the same."""

    classes: tuple[ClassAccuracy, ...]
    worst: tuple[int, ...]
    macro_f1: float
    balanced_accuracy: float
    confusion: Confusion | None
    confused_pairs: tuple[ConfusedPair, ...]


def class_figures(pairs: Pairs, names: Sequence[str]) -> ClassFigures:
    """The figures of images by true and predicted class.

    Args:
        pairs: how many images there are of each pair.
        names: of all classes.
    """
    classes = _by_class(pairs, names)
    return ClassFigures(
        classes=classes,
        worst=_worst(classes),
        macro_f1=_mean([one.f1 for one in classes]),
        balanced_accuracy=_mean([one.recall for one in classes if one.images]),
        confusion=_confusion(pairs, [one.index for one in classes]),
        confused_pairs=_confused(pairs, {one.index: one.images for one in classes}),
    )


def _by_class(pairs: Pairs, names: Sequence[str]) -> tuple[ClassAccuracy, ...]:
    answers: dict[int, Counter[int | None]] = {}
    predicted: Counter[int] = Counter()
    for (label, first), count in pairs.items():
        answers.setdefault(label, Counter())[first] += count
        if first is not None:
            predicted[first] += count
    classes = []
    for index in sorted(answers.keys() | predicted.keys()):
        counted = answers.get(index, Counter())
        wrong = {first: count for first, count in counted.items() if first != index}
        classes.append(
            ClassAccuracy(
                index=index,
                name=names[index],
                images=counted.total(),
                correct=counted[index],
                predicted=predicted[index],
                taken_for=tuple(_most_common(wrong.items(), _TAKEN_FOR)),
            )
        )
    return tuple(classes)


def _most_common(
    counted: Iterable[tuple[int | None, int]], number: int
) -> list[tuple[int | None, int]]:
    """Ties by index, so that the order of the results does not show."""
    order = sorted(counted, key=lambda item: (-item[1], -1 if item[0] is None else item[0]))
    return order[:number]


def _worst(classes: Sequence[ClassAccuracy]) -> tuple[int, ...]:
    flawed = [one for one in classes if one.correct < one.images]
    flawed.sort(key=lambda one: (one.recall, -one.images, one.index))
    return tuple(one.index for one in flawed[:WORST_CLASSES])


def _confusion(pairs: Pairs, classes: Sequence[int]) -> Confusion | None:
    if not 0 < len(classes) <= MATRIX_CLASSES:
        return None
    return Confusion(
        tuple(classes),
        tuple(tuple(pairs.get((row, column), 0) for column in classes) for row in classes),
        tuple(pairs.get((row, None), 0) for row in classes),
    )


def _confused(pairs: Pairs, totals: Mapping[int, int]) -> tuple[ConfusedPair, ...]:
    found = [
        ConfusedPair(label, first, count, count / totals[label])
        for (label, first), count in pairs.items()
        if first is not None and first != label
    ]
    found.sort(key=lambda one: (-one.images, -one.share, one.label, one.candidate))
    return tuple(found[:LISTED_PAIRS])


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
