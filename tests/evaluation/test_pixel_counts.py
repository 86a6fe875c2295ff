"""Counts of pixels against plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from vmamba_deploy.errors import IntegrityError
from vmamba_deploy.evaluation.label_maps import IGNORED
from vmamba_deploy.evaluation.pixel_counts import accuracy_of, count_pixels

CLASSES = 6


def test_figures_of_two_images_are_those_of_all_their_pixels() -> None:
    rng = np.random.default_rng()
    counts, pairs = 0, []
    for size in ((13, 9), (4, 21)):
        truth = rng.integers(0, CLASSES - 1, size)  # the last class is in no truth
        labels = np.where(rng.random(size) < 0.6, truth, rng.integers(0, CLASSES, size))
        truth[rng.random(size) < 0.1] = IGNORED
        counts = counts + count_pixels(labels, truth, CLASSES)
        pairs += [*zip(truth.ravel().tolist(), labels.ravel().tolist(), strict=True)]
    pairs = [(true, given) for true, given in pairs if true != IGNORED]
    got = accuracy_of(counts)
    ious, accuracies = [], []
    for name in range(CLASSES):
        both = sum(true == given == name for true, given in pairs)
        either = sum(name in pair for pair in pairs)
        of_it = sum(true == name for true, _ in pairs)
        ious.append(both / either)
        assert got.iou[name] == pytest.approx(both / either)
        if of_it:
            accuracies.append(both / of_it)
            assert got.accuracy[name] == pytest.approx(both / of_it)
    assert np.isnan(got.accuracy[CLASSES - 1])
    assert got.iou[CLASSES - 1] == 0
    assert got.mean_iou == pytest.approx(np.mean(ious))
    assert got.mean_accuracy == pytest.approx(np.mean(accuracies))
    right = sum(true == given for true, given in pairs) / len(pairs)
    assert got.pixel_accuracy == pytest.approx(right)


def test_a_class_that_neither_side_has_does_not_count() -> None:
    truth = np.array([[0, 0, 1]])
    got = accuracy_of(count_pixels(truth, truth, CLASSES))
    assert (got.mean_iou, got.mean_accuracy, got.pixel_accuracy) == (1, 1, 1)
    assert np.isnan(got.iou[2:]).all()


def test_nothing_that_counts_gives_no_figure() -> None:
    nowhere = np.full((2, 2), IGNORED)
    got = accuracy_of(count_pixels(np.zeros((2, 2), int), nowhere, CLASSES))
    assert np.isnan([got.mean_iou, got.mean_accuracy, got.pixel_accuracy]).all()


@pytest.mark.parametrize(
    "labels", [np.full((2, 2), CLASSES), np.full((2, 2), -1), np.zeros((2, 3), int)]
)
def test_answers_that_are_no_labels_of_the_image_are_refused(labels: np.ndarray) -> None:
    with pytest.raises(IntegrityError, match="labels"):
        count_pixels(labels, np.zeros((2, 2), int), CLASSES)
