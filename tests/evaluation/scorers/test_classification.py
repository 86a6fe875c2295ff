import math

import numpy as np
import pytest

from vmamba_deploy.errors import InputFileError, IntegrityError
from vmamba_deploy.evaluation.results import ImageResult
from vmamba_deploy.evaluation.scorers.classification import ClassificationScorer, score
from vmamba_deploy.parity.kinds.logits import compute_metrics


def images(count):
    return [ImageResult(index, preprocess_ms=1.5) for index in range(count)]


def test_first_classes_margins_and_shares_of_time():
    logits = np.array([[0, 3, 1, 2], [5, 5, 5, 7.5]], np.float32)
    first, second = score(images(2), logits, top_k=3, milliseconds=5.0)
    assert first.top == (1, 3, 2)
    # Ties go to the lower index.
    assert second.top == (3, 0, 1)
    assert (first.margin, second.margin) == (1.0, 2.5)
    assert (first.inference_ms, first.preprocess_ms) == (2.5, 1.5)
    assert first.reference is None


def test_the_probability_is_the_softmax_of_the_first_class():
    logits = np.random.default_rng().normal(0, 4, (9, 7)).astype(np.float32)
    logits[0] += 1e4
    exact = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    expected = (np.exp(exact) / np.exp(exact).sum(axis=1, keepdims=True)).max(axis=1)
    found = [one.probability for one in score(images(9), logits, top_k=1, milliseconds=1.0)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_table_has_a_row_for_each_image_in_their_order(sample_set):
    data = sample_set([0, 1, 1, 2], ("ant", "bee", "cow"))
    logits = np.array([[3, 1, 0], [4, 1, 0], [0, math.nan, 0]], np.float32)
    reference = np.array([[3, 1, 0], [1, 4, 0], [0, 1, 0]], np.float32)
    scored = score(images(3), logits, top_k=2, milliseconds=3.0, reference=reference)
    unreadable = ImageResult(3, error="3.png is damaged")
    table = ClassificationScorer().table(data, [unreadable, *reversed(scored)])
    first, second, broken, skipped = (
        dict(zip(table.columns, row, strict=True)) for row in table.rows
    )
    assert (first["file"], first["truth"], first["prediction"]) == ("0.png", "ant", "ant")
    assert (first["correct"], first["pytorch"], first["error"]) == ("true", "ant", None)
    assert first["probability"] == scored[0].probability
    assert (second["truth_index"], second["prediction_index"], second["pytorch_index"]) == (1, 0, 1)
    assert second["correct"] == "false"
    assert (broken["prediction"], broken["probability"], broken["correct"]) == (None, None, "false")
    assert (skipped["truth"], skipped["error"]) == ("cow", "3.png is damaged")
    assert (skipped["prediction"], skipped["correct"]) == (None, None)
    alone = score(images(3), logits, top_k=2, milliseconds=3.0)
    assert "pytorch" not in ClassificationScorer().table(data, alone).columns


def test_a_single_class_has_no_margin():
    (one,) = score(images(1), np.ones((1, 1), np.float32), top_k=5, milliseconds=1.0)
    assert (one.top, one.margin) == ((0,), 0.0)


def test_figures_against_the_reference_are_those_of_the_parity_check():
    generator = np.random.default_rng(0)
    reference = generator.standard_normal((8, 10), dtype=np.float32)
    logits = reference + generator.standard_normal((8, 10), dtype=np.float32) * 1e-3
    results = score(
        images(8), logits, top_k=5, milliseconds=8.0, reference=reference, reference_ms=16.0
    )
    compared = [one.reference for one in results]
    expected = compute_metrics(reference, logits)
    nmse = sum(one.squared_error for one in compared) / sum(
        one.squared_reference for one in compared
    )
    assert nmse == pytest.approx(expected.nmse, rel=1e-12)
    assert max(one.max_abs for one in compared) == expected.max_abs
    assert min(one.cosine for one in compared) == expected.cosine
    assert [one.changed for one in results] == [False] * 8
    assert {one.milliseconds for one in compared} == {2.0}


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_logits_that_are_not_finite_have_no_class(bad):
    logits = np.array([[1, bad, 2], [1, 2, 3]], np.float32)
    reference = np.array([[1, 2, 3], [1, 2, 3]], np.float32)
    broken, fine = score(images(2), logits, top_k=2, milliseconds=1.0, reference=reference)
    assert (broken.first, broken.changed) == (None, True)
    assert math.isnan(broken.margin)
    assert math.isnan(broken.probability)
    assert math.isnan(broken.reference.max_abs)
    assert (fine.first, fine.changed) == (2, False)


def test_a_broken_reference_is_told():
    reference = np.full((1, 3), np.nan, np.float32)
    with pytest.raises(InputFileError, match="PyTorch gives NaN"):
        score(images(1), np.ones((1, 3), np.float32), top_k=1, milliseconds=1, reference=reference)


@pytest.mark.parametrize("shape", [(1, 3), (2, 4), (2, 3, 1)])
def test_logits_of_another_shape(shape):
    reference = np.zeros((2, 3), np.float32)
    with pytest.raises(IntegrityError, match="logits of shape"):
        score(images(2), np.zeros(shape, np.float32), top_k=1, milliseconds=1, reference=reference)
