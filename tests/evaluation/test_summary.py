import math
import random
from dataclasses import replace

import numpy as np
import pytest

from vmamba_deploy.evaluation.intervals import percent, proportion
from vmamba_deploy.evaluation.judging import Thresholds, shortfalls
from vmamba_deploy.evaluation.results import ImageResult, ReferenceResult
from vmamba_deploy.evaluation.summary import summarise

NAMES = ("a", "b", "c", "d", "e", "f", "g")


def answer(index, *top, expected=None, margin=1.0):
    """A result; `expected` is PyTorch's first class."""
    reference = None
    if expected is not None:
        reference = ReferenceResult(expected, margin, 1e-6, 4.0, 1e-3 * (1 + index), 0.999, 2.0)
    known = {"top": top, "margin": 0.5, "probability": 0.8}
    return ImageResult(index, float(index), 2.0 * index, reference=reference, **known)


def test_wilson_s_interval():
    # Newcombe's published example: 81 of 263.
    known = proportion(81, 263)
    assert (round(known.low, 4), round(known.high, 4)) == (0.2553, 0.3662)
    none, every = proportion(0, 20), proportion(20, 20)
    assert (none.low, every.high) == (0.0, 1.0)
    assert none.high == pytest.approx(0.1611, abs=1e-4)
    assert every.low == pytest.approx(1 - none.high)
    assert math.isnan(proportion(0, 0).share)


@pytest.mark.parametrize(
    ("share", "text"),
    [(1.0, "100.00%"), (449 / 450, "99.77%"), (0.29, "29.00%"), (0.0, "0.00%")],
)
def test_percent_is_rounded_down(share, text):
    assert percent(share) == text
    assert percent(math.nan) == "\N{EN DASH}"


def test_top_1_and_top_k(sample_set):
    data = sample_set([0, 1, 2, 3], NAMES)
    results = [answer(0, 0, 1), answer(1, 2, 1), answer(2, 2, 3), answer(3, 0, 1)]
    summary = summarise(data, results, top_k=2)
    assert (summary.top1.count, summary.top1.total) == (2, 4)
    assert (summary.top_k.count, summary.k) == (3, 2)


@pytest.mark.parametrize(
    ("classes", "k", "meaningful"), [(5, 5, False), (6, 5, True), (6, 1, False)]
)
def test_top_k_of_few_classes_is_left_out(sample_set, classes, k, meaningful):
    data = sample_set([0], tuple("abcdef"[:classes]))
    summary = summarise(data, [answer(0, *range(k))], top_k=k)
    assert (summary.top_k is not None) == meaningful


def test_the_order_of_results_does_not_show(sample_set):
    labels = [index % 7 for index in range(70)]
    data = sample_set(labels, NAMES)
    results = [answer(n, (n * n) % 7, n % 5, expected=n % 7) for n in range(70)]
    shuffled = list(results)
    random.Random(0).shuffle(shuffled)
    assert summarise(data, shuffled, top_k=2) == summarise(data, results, top_k=2)


def test_wrong_images_are_told_with_the_most_confident_first(sample_set):
    data = sample_set([0, 1, 2, 3], NAMES)
    results = [
        ImageResult(0),
        *(replace(answer(n, n % 2), probability=p) for n, p in ((1, 0.9), (2, 0.3), (3, 0.8))),
    ]
    wrong = summarise(data, results, top_k=1).wrong
    assert [(one.name, one.label, one.candidate) for one in wrong] == [
        ("3.png", 3, 1),
        ("2.png", 2, 0),
        ("0.png", 0, None),
    ]
    assert [one.probability for one in wrong[:2]] == [0.8, 0.3]


def test_of_many_wrong_images_some_are_told(sample_set):
    data = sample_set([0] * 1000, NAMES)
    generator = np.random.default_rng()
    probabilities = generator.random(1000)
    results = [replace(answer(n, 1), probability=float(p)) for n, p in enumerate(probabilities)]
    generator.shuffle(results)
    wrong = summarise(data, results, top_k=1).wrong
    assert [one.index for one in wrong] == np.argsort(-probabilities, kind="stable")[:48].tolist()


def test_agreement_and_the_images_that_changed(sample_set):
    data = sample_set([0, 1, 2, 3], NAMES)
    results = [
        answer(0, 0, expected=0),
        answer(1, 4, expected=1, margin=0.1),
        answer(2, 2, expected=5, margin=3.0),
        answer(3, 6, expected=6),
    ]
    agreement = summarise(data, results, top_k=1).agreement
    assert (agreement.same.count, agreement.same.total) == (2, 4)
    assert agreement.reference_top1.count == 2
    # The surest of PyTorch's first.
    assert [one.name for one in agreement.changed] == ["2.png", "1.png"]
    assert agreement.changed[1].label == 1
    assert (agreement.changed[1].reference, agreement.changed[1].candidate) == (1, 4)
    assert agreement.nmse == pytest.approx(4e-6 / 16)
    assert (agreement.max_abs, agreement.cosine) == (4e-3, 0.999)


def test_skipped_images_do_not_count_and_broken_logits_count_as_wrong(sample_set):
    data = sample_set([0, 1, 2], NAMES)
    results = [answer(0, 0), ImageResult(1, error="1.png is damaged"), ImageResult(2)]
    summary = summarise(data, results, top_k=1)
    assert (summary.top1.count, summary.top1.total) == (1, 2)
    assert summary.skipped == (("1.png", "1.png is damaged"),)
    assert summary.not_finite == 1
    assert summary.classes[1].taken_for == ((None, 1),)
    assert summary.confusion.not_finite == (0, 1)


def test_nothing_that_could_be_read(sample_set):
    summary = summarise(sample_set([0], NAMES), [ImageResult(0, error="damaged")], top_k=1)
    assert (summary.top1.total, summary.timing, summary.agreement) == (0, None, None)
    assert (summary.classes, summary.confusion, summary.calibration) == ((), None, None)
    assert shortfalls(summary, Thresholds(min_top1_percent=0.0)) == [
        "top-1 is \N{EN DASH}, asked for is 0%"
    ]


@pytest.mark.parametrize(
    ("thresholds", "expected"),
    [
        (Thresholds(), 0),
        (Thresholds(min_top1_percent=99.5), 0),
        (Thresholds(min_top1_percent=99.6), 1),
        (Thresholds(max_changed=1), 0),
        (Thresholds(max_changed=0), 1),
        (Thresholds(min_top1_percent=100, max_changed=0), 2),
    ],
)
def test_thresholds(sample_set, thresholds, expected):
    # 200 images: half a percent of them is one.
    data = sample_set([0] * 200, NAMES)
    results = [answer(n, 1 if n == 5 else 0, expected=0) for n in range(200)]
    assert len(shortfalls(summarise(data, results, top_k=1), thresholds)) == expected


def test_two_changed_of_200_are_too_many_unless_allowed(sample_set):
    data = sample_set([0] * 200, NAMES)
    results = [answer(n, 1 if n < 2 else 0, expected=0) for n in range(200)]
    (text,) = shortfalls(summarise(data, results, top_k=1), Thresholds())
    assert "2 of 200 images changed class" in text
    assert "allowed are 1" in text


def test_broken_logits_miss_every_threshold(sample_set):
    summary = summarise(sample_set([0], NAMES), [ImageResult(0)], top_k=1)
    assert shortfalls(summary, Thresholds()) == ["NaN or infinite logits for 1 image"]
