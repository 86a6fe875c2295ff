from __future__ import annotations

import numpy as np
import pytest

from vmamba_deploy.parity.elements import Tolerance


def check(expected, got, atol=0.0, rtol=0.0):
    arrays = ({"logits": np.asarray(one, dtype=np.float32)} for one in (expected, got))
    return Tolerance(atol, rtol).check(*arrays)


def test_every_element_has_its_own_limit_by_the_reference():
    found = check([1.0, 100.0, 0.0, -10.0], [1.2, 101.0, 0.2, -9.5], atol=0.1, rtol=0.01)
    # 0.2 of 0.11, 1 of 1.1, 0.2 of 0.1, 0.5 of 0.2
    assert (found.elements, found.beyond, found.output) == (4, 3, "logits")
    assert found.worst == pytest.approx(2.5, rel=1e-5)
    assert "3 of 4 elements are beyond atol 0.1 + rtol 0.01" in found.violation
    assert "a factor of 2.5" in found.violation


def test_it_agrees_with_numpys_allclose_on_noise():
    rng = np.random.default_rng(0)
    for _ in range(200):
        expected = rng.standard_normal((3, 5)).astype(np.float32)
        got = expected + rng.normal(0, 1e-3, (3, 5)).astype(np.float32)
        atol, rtol = 10 ** rng.uniform(-5, -2, 2)
        wanted = ~np.isclose(got.astype(float), expected.astype(float), rtol=rtol, atol=atol)
        assert check(expected, got, atol, rtol).beyond == wanted.sum()


def test_equal_is_within_nothing_and_an_error_is_infinitely_beyond_it():
    assert check([0.0, 2.0], [0.0, 2.0]).violation is None
    found = check([0.0, 2.0], [1e-9, 2.0])
    assert (found.beyond, found.worst) == (1, np.inf)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_beyond_every_tolerance(bad):
    found = check([1.0, 2.0], [1.0, bad], atol=1e20, rtol=1e20)
    assert (found.beyond, found.worst) == (1, np.inf)


def test_integers_and_several_outputs_are_counted_together():
    expected = {"labels": np.array([[1, 2]]), "logits": np.zeros((2, 2)), "optional": np.ones(1)}
    got = {"labels": np.array([[1, 3]]), "logits": np.full((2, 2), 0.5)}
    found = Tolerance(0.25, 0.0).check(expected, got)
    assert (found.elements, found.beyond) == (6, 5)
    assert (found.output, found.worst) == ("labels", 4.0)
