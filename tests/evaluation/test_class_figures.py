"""Precision, recall, F1 and confusions, against scikit-learn's on labels drawn anew."""

import math
from collections import Counter

import numpy as np
import pytest
from sklearn.metrics import (
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    precision_recall_fscore_support,
)

from vmamba_deploy.evaluation.class_figures import LISTED_PAIRS, MATRIX_CLASSES, class_figures


def drawn(classes, images):
    """True and predicted classes: most are right; not every class has images or is predicted."""
    generator = np.random.default_rng()
    true = generator.integers(0, classes - 2, images)
    wrong = generator.integers(1, classes, images)
    return true, np.where(generator.random(images) < 0.6, true, wrong)


def figures_of(true, predicted, classes):
    pairs = Counter(zip(true.tolist(), predicted.tolist(), strict=True))
    return class_figures(pairs, [f"class {index}" for index in range(classes)])


@pytest.mark.parametrize(("classes", "images"), [(5, 30), (12, 400), (70, 300)])
def test_figures_are_those_of_scikit_learn(classes, images):
    true, predicted = drawn(classes, images)
    found = figures_of(true, predicted, classes)
    labels = sorted(set(true.tolist()) | set(predicted.tolist()))
    precision, recall, f1, support = precision_recall_fscore_support(
        true, predicted, labels=labels, zero_division=np.nan
    )
    assert [one.index for one in found.classes] == labels
    assert [one.images for one in found.classes] == support.tolist()
    for name, expected in (("precision", precision), ("recall", recall)):
        values = [getattr(one, name) for one in found.classes]
        np.testing.assert_allclose(values, expected, rtol=1e-12)
    # Of a class that nobody predicted scikit-learn leaves F1 out here; it is 0 all the same.
    np.testing.assert_allclose([one.f1 for one in found.classes], np.nan_to_num(f1), rtol=1e-12)
    expected = f1_score(true, predicted, labels=labels, average="macro", zero_division=0)
    assert found.macro_f1 == pytest.approx(expected, rel=1e-12)
    present = sorted(set(true.tolist()))
    recalls = precision_recall_fscore_support(true, predicted, labels=present, zero_division=0)[1]
    assert found.balanced_accuracy == pytest.approx(recalls.mean(), rel=1e-12)


def test_balanced_accuracy_is_that_of_scikit_learn():
    true, predicted = drawn(8, 500)
    predicted = np.minimum(predicted, true.max())
    expected = balanced_accuracy_score(true, predicted)
    assert figures_of(true, predicted, 8).balanced_accuracy == pytest.approx(expected, rel=1e-12)


def test_the_whole_matrix_of_few_classes_and_the_worst_pairs_of_many():
    true, predicted = drawn(MATRIX_CLASSES, 4000)
    found = figures_of(true, predicted, MATRIX_CLASSES)
    assert found.confusion.classes == tuple(range(MATRIX_CLASSES))
    np.testing.assert_array_equal(found.confusion.counts, confusion_matrix(true, predicted))

    many = MATRIX_CLASSES + 1
    true, predicted = drawn(many, 4000)
    found = figures_of(true, predicted, many)
    assert found.confusion is None
    matrix = confusion_matrix(true, predicted, labels=range(many))
    np.fill_diagonal(matrix, 0)
    expected = np.sort(matrix.ravel())[::-1][:LISTED_PAIRS]
    assert [one.images for one in found.confused_pairs] == expected.tolist()
    for one in found.confused_pairs:
        assert one.images == matrix[one.label, one.candidate]
        assert one.share == one.images / (true == one.label).sum()


def test_classes_and_what_they_are_taken_for():
    found = class_figures({(0, 3): 2, (0, 5): 1, (0, 0): 1, (1, 1): 1, (2, None): 1}, "abcdef")
    first, second, third, fourth, _ = found.classes
    assert (first.name, first.images, first.correct, first.recall) == ("a", 4, 1, 0.25)
    assert first.taken_for == ((3, 2), (5, 1))
    assert second.taken_for == ()
    assert third.taken_for == ((None, 1),)
    assert (fourth.images, fourth.predicted, fourth.precision, fourth.f1) == (0, 2, 0, 0)
    assert math.isnan(fourth.recall)
    assert found.worst == (2, 0)
    assert found.confusion.not_finite == (0, 0, 1, 0, 0)
    assert [(one.label, one.candidate) for one in found.confused_pairs] == [(0, 3), (0, 5)]


def test_of_no_image_there_is_no_figure():
    found = class_figures({}, "abc")
    assert (found.classes, found.worst, found.confusion) == ((), (), None)
    assert math.isnan(found.macro_f1)
    assert math.isnan(found.balanced_accuracy)
