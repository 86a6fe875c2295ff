"""Counts of pixels by class, of one image or of many, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vmamba_deploy.errors import IntegrityError
from vmamba_deploy.evaluation.label_maps import IGNORED

Counts = npt.NDArray[np.int64]
"""[3, K]: by class the pixels that both give it, that the network gives it, that are of it."""


def count_pixels(
    labels: npt.NDArray[np.integer], truth: npt.NDArray[np.integer], classes: int
) -> Counts:
    """Count an image's pixels by class; those that are `IGNORED` in the truth do not count.

    Args:
        labels: [h,w], the network's.
        truth: [h,w].
        classes: K.

    Raises:
        IntegrityError: another shape than the truth's, or labels that are no class.
    """
    if labels.shape != truth.shape:
        raise IntegrityError(
            f"the artefact gave labels of shape {list(labels.shape)} for an image of "
            f"{list(truth.shape)}"
        )
    counted = truth != IGNORED
    given, true = labels[counted], truth[counted]
    if given.size and not 0 <= given.min() <= given.max() < classes:
        raise IntegrityError(
            f"the artefact gave labels from {given.min()} to {given.max()}, with {classes} classes"
        )
    both = given[given == true]
    return np.stack([np.bincount(one, minlength=classes) for one in (both, given, true)])


@dataclass(frozen=True)
class Accuracy:
    """What the counts of a data set say; NaN where nothing was counted.

    Attributes:
        iou: [K], shared by covered pixels; NaN of a class that neither side has.
        accuracy: [K], the share of a class' pixels that the network gives it; NaN of one that is
            not in the data.
        mean_iou, mean_accuracy: over the classes where it is known.
        pixel_accuracy: the share of all pixels that have their class.
    """

    iou: npt.NDArray[np.float64]
    accuracy: npt.NDArray[np.float64]
    mean_iou: float
    mean_accuracy: float
    pixel_accuracy: float


def accuracy_of(counts: Counts) -> Accuracy:
    """The figures of counts [3, K]."""
    shared, given, true = counts.astype(np.float64)
    iou, accuracy = _ratio(shared, given + true - shared), _ratio(shared, true)
    return Accuracy(
        iou,
        accuracy,
        _mean(iou),
        _mean(accuracy),
        float(_ratio(shared.sum(keepdims=True), true.sum(keepdims=True))[0]),
    )


def _ratio(
    part: npt.NDArray[np.float64], whole: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def _mean(values: npt.NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")
