"""Images: the peak signal-to-noise ratio beside the errors."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vmamba_deploy.parity.figures import Answer
from vmamba_deploy.parity.kinds import KINDS
from vmamba_deploy.parity.kinds.image import compare_images, psnr
from vmamba_deploy.precisions import PRECISIONS

LIMITS = PRECISIONS["fp16"].thresholds


def judged(reference, candidate):
    answer = Answer(("image",), {"image": reference}, {"image": candidate})
    return compare_images(answer, LIMITS)


def test_half_a_grey_level_is_54_db_whatever_the_scale():
    image = np.random.default_rng().integers(0, 256, (3, 9, 7)).astype(np.float64)
    image.flat[:2] = 0, 255
    for scale, shift in ((1.0, 0.0), (1 / 255, 0.0), (2 / 255, -1.0)):
        r = image * scale + shift
        assert psnr(r, r + 0.5 * scale) == pytest.approx(54.15, abs=0.01)


def test_equal_images_and_those_of_one_value_have_a_figure():
    flat = np.full((1, 3, 4, 4), 0.5)
    assert judged(flat, flat).psnr == 200.0
    assert judged(flat, flat + 5e-4).psnr == pytest.approx(60.0)
    assert judged(0 * flat, 0 * flat + 1e-3).psnr == pytest.approx(60.0)


def test_the_worst_image_of_a_batch_counts():
    r = np.random.default_rng().random((3, 3, 8, 8))
    c = r.copy()
    c[1] += 0.01
    figures = judged(r, c)
    assert figures.psnr == pytest.approx(psnr(r[1], c[1]))
    assert not judged(r, r + 1e-3).violations(LIMITS)


def test_one_bad_image_among_many_good_ones_is_a_violation_of_its_own():
    r = np.random.default_rng().random((400, 1, 4, 4)) + 0.5
    c = r.copy()
    c[7] += 0.03  # its NMSE over the batch is below the limit
    (violation, *_) = [text for text in judged(r, c).violations(LIMITS) if "psnr" in text]
    assert "is below 40" in violation
    assert judged(r, c).nmse < LIMITS.nmse


def test_what_is_no_image_or_not_finite_is_told():
    r = np.ones((1, 3, 4, 4))
    with pytest.raises(ValueError, match="images have shape"):
        judged(r, r[:, :2])
    with pytest.raises(ValueError, match="images have shape"):
        judged(r[0], r[0])
    broken = judged(r, np.where(np.arange(4) == 2, np.nan, r))
    assert (broken.non_finite, math.isnan(broken.psnr)) == (12, True)
    assert broken.violations(LIMITS) == ["12 output values are NaN or infinite"]
    assert KINDS["image"].compare is compare_images
