import math

import numpy as np
import pytest

from vmamba_deploy.parity.figures import worst
from vmamba_deploy.parity.kinds.logits import compute_metrics
from vmamba_deploy.parity.metrics import cosine, normalised_mse, unit_of
from vmamba_deploy.precisions import PRECISIONS, Thresholds


def test_figures_against_values_worked_out_by_hand():
    reference = np.array([[3.0, -1.0, 1.0], [0.0, 2.0, -2.0]])
    candidate = np.array([[3.0, -1.0, 1.5], [0.0, 1.0, 2.0]])
    figures = compute_metrics(reference, candidate)
    spread = math.sqrt((4 + 4 + 0 + 0 + 4 + 4) / 6)
    assert figures.max_abs == 4.0
    assert figures.mean_abs == pytest.approx(5.5 / 6)
    assert figures.max_spread == pytest.approx(4 / spread)
    assert figures.max_rel == pytest.approx(4 / (spread + 2))
    assert figures.nmse == pytest.approx((0.25 + 1 + 16) / (9 + 1 + 1 + 4 + 4))
    assert figures.cosine == pytest.approx((2 - 4) / (math.sqrt(8) * math.sqrt(5)))
    assert figures.top1_agreement == 0.5
    assert figures.top5_agreement == 1.0


def test_top5_counts_shared_classes():
    reference = np.arange(10.0)[None]
    candidate = reference.copy()
    candidate[0, [9, 0]] = candidate[0, [0, 9]]
    assert compute_metrics(reference, candidate).top5_agreement == pytest.approx(0.8)


def test_a_tie_within_tolerance_is_not_decided_but_counts_in_the_raw_fraction():
    reference = np.array([[1.0, 1.001, -1.0, -1.0], [5.0, 1.0, -1.0, -1.0]])
    candidate = np.array([[1.001, 1.0, -1.0, -1.0], [5.0, 1.0, -1.0, -1.0]])
    figures = compute_metrics(reference, candidate, tie_spread=0.01)
    assert (figures.top1_agreement, figures.decided, figures.decided_top1) == (0.5, 1, 1.0)
    strict = compute_metrics(reference, candidate)
    assert (strict.decided, strict.decided_top1) == (2, 0.5)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_fail_any_threshold_even_after_combination(bad):
    reference = np.random.default_rng().standard_normal((2, 9))
    candidate = reference.copy()
    candidate[1, 3] = bad
    broken, fine = compute_metrics(reference, candidate), compute_metrics(reference, reference)
    loose = Thresholds(nmse=math.inf, cosine=-1.0, max_spread=math.inf, decided_top1=0.0)
    assert not fine.violations(loose)
    assert broken.violations(loose) == ["1 output values are NaN or infinite"]
    assert worst([fine, broken, fine]).violations(loose)
    assert math.isnan(worst([fine, broken]).nmse)


def test_nan_figure_is_a_violation_by_itself():
    fine = compute_metrics(np.eye(3), np.eye(3))
    from dataclasses import replace

    assert len(replace(fine, nmse=math.nan).violations(Thresholds(1, 0, 1))) == 1


def test_scale_of_the_logits_does_not_matter():
    rng = np.random.default_rng()
    reference = rng.standard_normal((4, 30))
    candidate = reference + 0.01 * rng.standard_normal((4, 30))
    small, large = (
        compute_metrics(reference, candidate),
        compute_metrics(reference * 1e4, candidate * 1e4),
    )
    for name in ("nmse", "cosine", "max_spread", "max_rel", "top1_agreement"):
        assert getattr(small, name) == pytest.approx(getattr(large, name), rel=1e-6)


def test_constant_and_zero_logits():
    zeros = np.zeros((2, 4))
    assert compute_metrics(zeros, zeros).nmse == 0.0
    assert compute_metrics(zeros, zeros).cosine == 1.0
    assert compute_metrics(zeros, zeros + 1).nmse == math.inf
    assert cosine(zeros, zeros + 1) == 0.0
    assert normalised_mse(np.ones(3), np.ones(3)) == 0.0


@pytest.mark.parametrize("classes", [1, 7])
@pytest.mark.parametrize("level", [0.0, 3e-3, -40.0])
def test_logits_without_a_spread_are_judged_by_their_magnitude(classes, level):
    """A zero head gives its bias whatever the image; a single logit has no spread at all."""
    reference = np.full((3, classes), level)
    limits, rng = PRECISIONS["fp32"].thresholds, np.random.default_rng()
    rounding = 1e-7 * rng.standard_normal(reference.shape)
    assert not compute_metrics(reference, reference).violations(limits)
    if level or classes == 1:
        assert not compute_metrics(reference, reference * (1 + rounding)).violations(limits)
    for wrong in (reference * 1.001 + 1e-3, reference + [0.01] + 0 * reference):
        found = compute_metrics(reference, wrong).violations(limits)
        assert {text.split()[0] for text in found} >= {"nmse", "max_spread"}
        assert np.isfinite(compute_metrics(reference, wrong).max_spread)


def test_a_single_logit_is_two_classes():
    figures = compute_metrics(
        np.array([[2.0], [-1e-3], [-3.0]]), np.array([[-2.0], [1e-3], [-3.0]])
    )
    assert (figures.top1_agreement, figures.decided_top1) == (1 / 3, 1 / 3)
    wrong = compute_metrics(np.array([[0.5]]), np.array([[-0.5]]), tie_spread=0.15)
    assert len(wrong.violations(PRECISIONS["fp16"].thresholds)) == 4


def test_a_single_logit_near_0_is_judged_by_those_of_the_other_images():
    batches = [np.array([[1e-4]]), np.array([[3.0], [-4.0]])]
    unit = unit_of(batches)
    assert unit == pytest.approx((25 / 3) ** 0.5)
    assert unit_of([np.ones((4, 2))]) == unit_of([np.ones((1, 1)), np.ones((1, 2))]) == 0
    near = compute_metrics(batches[0], -batches[0], tie_spread=2e-4, unit=unit)
    assert (near.decided, near.max_spread) == (0, pytest.approx(2e-4 / unit))
    assert not near.violations(PRECISIONS["fp16"].thresholds)
    wrong = compute_metrics(batches[0], batches[0] + 1, tie_spread=0.15, unit=unit)
    assert len(wrong.violations(PRECISIONS["fp16"].thresholds)) == 3


def test_worst_takes_the_worst_and_weighs_agreements_by_images():
    rng = np.random.default_rng()
    one, three = rng.standard_normal((1, 8)), rng.standard_normal((3, 8))
    good, bad = compute_metrics(one, one), compute_metrics(three, -three)
    both = worst([good, bad])
    assert both.images == 4
    assert both.max_abs == bad.max_abs
    assert both.cosine == pytest.approx(-1)
    assert both.top1_agreement == pytest.approx((1 + 3 * bad.top1_agreement) / 4)


@pytest.mark.parametrize("shape", [(2, 3, 4), (6,), (0, 3)])
def test_unusable_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="shape"):
        compute_metrics(np.zeros(shape), np.zeros(shape))
