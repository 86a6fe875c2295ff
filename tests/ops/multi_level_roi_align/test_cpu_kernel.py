"""The C++ kernel against the float64 reference, and the equality of its bits."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.ops.executors import executor_of, own_threads
from tests.processes import HANG_S
from vmamba_deploy.ops.op import BFLOAT16, FLOAT16, FLOAT32
from vmamba_deploy.testing import (
    SPECIAL_BOXES,
    RoiAlignCase,
    RoiAlignDims,
    check_accuracy,
    random_roi_align_case,
)

DTYPES = [(FLOAT32, FLOAT32), (FLOAT16, FLOAT32), (BFLOAT16, FLOAT32)]
DTYPES += [(FLOAT16, FLOAT16), (BFLOAT16, BFLOAT16)]
# batch, boxes, channels, height and width of the input, output size
SHAPES = [
    (1, 1, 1, 1, 1, 1),
    (2, 9, 33, 190, 250, 7),
    (1, 7, 3, 333, 500, 14),
    (3, 5, 65, 64, 32, 2),
    (1, 4, 2, 100, 700, 33),
    (1, 4, 2, 700, 100, 64),
    (1, 30, 4, 64, 1400, 5),
]


@pytest.mark.parametrize(("in_dtype", "out_dtype"), DTYPES)
@pytest.mark.parametrize("sizes", SHAPES)
def test_odd_shapes(sizes, in_dtype, out_dtype, native_roi_align):
    case = random_roi_align_case(RoiAlignDims(*sizes), in_dtype, seed=sum(sizes))
    check_accuracy(native_roi_align(case, out_dtype), case.expected, out_dtype)


@pytest.mark.parametrize("bins", [1, 7, 14])
@pytest.mark.parametrize("special", SPECIAL_BOXES)
def test_special_boxes(special, bins, native_roi_align):
    boxes = np.float32(SPECIAL_BOXES[special])
    dims = RoiAlignDims(2, len(boxes), 3, 256, 320, bins)
    case = random_roi_align_case(dims, seed=1, boxes=boxes)
    check_accuracy(native_roi_align(case), case.expected, FLOAT32)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_random_calls(data, native_roi_align):
    draw = data.draw
    dims = RoiAlignDims(
        batch=draw(st.integers(0, 3), "B"),
        boxes=draw(st.integers(0, 12), "K"),
        channels=draw(st.integers(1, 70), "C"),
        height=draw(st.integers(1, 300), "H"),
        width=draw(st.integers(1, 300), "W"),
        output_size=draw(st.integers(1, 40), "S"),
    )
    in_dtype, out_dtype = draw(st.sampled_from(DTYPES), "dtypes")
    case = random_roi_align_case(dims, in_dtype, seed=draw(st.integers(0, 2**32 - 1), "seed"))
    check_accuracy(native_roi_align(case, out_dtype), case.expected, out_dtype)


@settings(max_examples=100, deadline=None)
@given(
    box=st.tuples(*(st.integers(-40, 300) for _ in range(4))),
    bins=st.integers(1, 9),
)
def test_boxes_on_whole_pixels(box, bins, native_roi_align):
    # Where the number of samples, their pixels and the ends of the map are most easily missed.
    dims = RoiAlignDims(1, 1, 2, 192, 224, bins)
    case = random_roi_align_case(dims, seed=2, boxes=np.float32([box]))
    check_accuracy(native_roi_align(case), case.expected, FLOAT32)


@pytest.mark.parametrize("sizes", [(2, 40, 70, 128, 160, 7), (1, 1, 200, 96, 96, 14)])
def test_bits_do_not_depend_on_who_runs_it(sizes, native_roi_align):
    case = random_roi_align_case(RoiAlignDims(*sizes), FLOAT16, seed=5)
    expected = native_roi_align(case)
    executors = [own_threads(n) for n in (1, 2, 3, 7)]
    executors += [executor_of(n, backwards=n > 1) for n in (1, 2, 64)]
    for executor in [None, *executors]:
        np.testing.assert_array_equal(native_roi_align(case, executor=executor), expected)


def test_bits_do_not_depend_on_the_other_boxes_and_images(native_roi_align):
    case = random_roi_align_case(RoiAlignDims(3, 6, 37, 120, 90, 7), seed=6)
    together = native_roi_align(case)
    for image, box in np.ndindex(3, 6):
        maps = tuple(np.ascontiguousarray(each[image : image + 1]) for each in case.maps)
        one_box = np.ascontiguousarray(case.boxes[image : image + 1, box : box + 1])
        alone = native_roi_align(RoiAlignCase(FLOAT32, maps, one_box, 7))
        np.testing.assert_array_equal(alone[0, 0], together[image, box])


@pytest.mark.parametrize(("batch", "boxes"), [(0, 3), (2, 0), (0, 0)])
def test_an_empty_call_touches_nothing(batch, boxes, native_roi_align):
    case = random_roi_align_case(RoiAlignDims(batch, boxes, 3, 64, 64, 7))
    assert native_roi_align(case).shape == (batch, boxes, 3, 7, 7)


def test_what_no_sample_touches_reaches_no_box(native_roi_align):
    boxes = np.float32([[40, 40, 70, 90], [100, 8, 128, 36]])
    case = random_roi_align_case(RoiAlignDims(1, 2, 5, 128, 160, 7), seed=7, boxes=boxes)
    expected = native_roi_align(case)
    touched = np.zeros(case.maps[0].shape[2:], dtype=bool)
    for x1, y1, x2, y2 in boxes / 4 - 0.5:
        touched[int(y1) : int(np.ceil(y2)) + 1, int(x1) : int(np.ceil(x2)) + 1] = True
    case.maps[0][..., ~touched] = np.nan
    for level in case.maps[1:]:
        level[:] = np.inf
    np.testing.assert_array_equal(native_roi_align(case), expected)


def test_a_nan_stays_visible_in_the_boxes_that_hold_it(native_roi_align):
    boxes = np.float32([[8, 8, 40, 40], [64, 64, 90, 90]])
    case = random_roi_align_case(RoiAlignDims(1, 2, 3, 128, 128, 7), seed=8, boxes=boxes)
    case.maps[0][0, 1, 5, 5] = np.nan
    y = native_roi_align(case)
    assert np.isnan(y[0, 0, 1]).any()
    assert np.isfinite(y[0, 0, [0, 2]]).all()
    assert np.isfinite(y[0, 1]).all()


# In processes of their own: the instruction set is chosen once.
IN_ANOTHER_PROCESS = """
import sys
import numpy as np
from tests.ops.multi_level_roi_align.conftest import run_native
from vmamba_deploy.testing import RoiAlignDims, check_accuracy, random_roi_align_case

in_dtype, out_dtype = map(int, sys.argv[1:3])
for bins in (1, 5, 7, 14, 20):
    case = random_roi_align_case(RoiAlignDims(2, 9, 35, 150, 190, bins), in_dtype, seed=bins)
    y = run_native(case, out_dtype)
    check_accuracy(y, case.expected, out_dtype)
    sys.stdout.buffer.write(y.tobytes())
"""


def bits_of(instruction_set: str, dtypes: tuple[int, int]) -> bytes | None:
    """What it computes; None where this machine lacks it."""
    done = subprocess.run(
        [sys.executable, "-c", IN_ANOTHER_PROCESS, *map(str, dtypes)],
        env=os.environ | {"VMAMBA_CPU_ISA": instruction_set},
        capture_output=True,
        timeout=HANG_S,
        check=False,
    )
    if b"this machine lacks these instructions" in done.stderr:
        return None
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@pytest.mark.parametrize("dtypes", DTYPES)
def test_every_build_is_accurate_and_those_that_fuse_have_equal_bits(dtypes):
    assert bits_of("portable", dtypes)
    with_avx2, with_avx512 = bits_of("avx2", dtypes), bits_of("avx512", dtypes)
    if with_avx2 is None or with_avx512 is None:
        pytest.skip("this machine lacks AVX2 or AVX-512")
    assert with_avx2 == with_avx512
