"""What a caller gives beside the images is checked, and what may be left out is filled in."""

from __future__ import annotations

import numpy as np
import pytest

from vmamba_deploy.errors import UsageError
from vmamba_deploy.tasks.inputs import SIZES, completed_inputs
from vmamba_deploy.tasks.task import Input

GAIN = Input("gain", "float32", ("batch", "height", 1))


def test_sizes_that_are_left_out_are_those_of_the_whole_map():
    completed = completed_inputs((SIZES,), {}, batch=3, size=(64, 96))
    assert completed["sizes"].dtype == np.int64
    assert completed["sizes"].tolist() == [[64, 96]] * 3


def test_what_is_given_is_taken_in_the_order_of_the_task():
    gain, sizes = np.ones((2, 64, 1), np.float32), np.array([[64, 96], [1, 5]])
    completed = completed_inputs(
        (GAIN, SIZES), {"sizes": sizes, "gain": gain}, batch=2, size=(64, 96)
    )
    assert list(completed) == ["gain", "sizes"]
    assert np.array_equal(completed["sizes"], sizes)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"size": np.ones((2, 2), np.int64)}, "has no input size"),
        ({"sizes": np.ones((1, 2), np.int64)}, r"takes sizes \[2, 2\] of int64, got \[1, 2\]"),
        ({"sizes": np.ones((2, 2), np.int32)}, "got .* of int32"),
        ({"sizes": np.array([[64, 97], [1, 1]])}, "from 1 to the map's 64 x 96 pixels"),
        ({"sizes": np.array([[64, 0], [1, 1]])}, "from 1 to the map's 64 x 96 pixels"),
    ],
)
def test_what_does_not_fit_is_refused(given, words):
    with pytest.raises(UsageError, match=words):
        completed_inputs((SIZES,), given, batch=2, size=(64, 96))


def test_an_input_without_a_usual_value_is_needed():
    with pytest.raises(UsageError, match="needs the input gain"):
        completed_inputs((GAIN, SIZES), {}, batch=2, size=(64, 96))
