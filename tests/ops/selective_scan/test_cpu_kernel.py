"""The C++ kernel in every form against the float64 reference, and the equality of its bits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.c_interface import ScanArgs, ScanDesc, load_native
from tests.ops.executors import executor_of, own_threads
from tests.ops.route_lists import every_list_of_routes
from vmamba_deploy.ops.op import FLOAT16, FLOAT32
from vmamba_deploy.ops.selective_scan.specification import ScanDims
from vmamba_deploy.testing import DTYPE_PAIRS, check_accuracy, every_form

# B, H, W, D, N, R
SHAPES = [
    (1, 1, 1, 1, 1, 1),
    (2, 1, 97, 33, 16, 12),
    (3, 7, 5, 97, 1, 6),
    (1, 9, 4, 25, 5, 24),
    (1, 3, 3, 9, 256, 256),
]


@pytest.mark.parametrize(("in_dtype", "out_dtype"), DTYPE_PAIRS)
@pytest.mark.parametrize("sizes", SHAPES)
def test_odd_shapes_in_every_form(sizes, in_dtype, out_dtype, scan_case, native_scan):
    for dims in every_form(ScanDims(*sizes)):
        case = scan_case(dims, in_dtype, seed=sum(sizes))
        check_accuracy(native_scan(case, out_dtype), case.expected, out_dtype)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_random_shapes(data, scan_case, native_scan):
    draw = data.draw
    height = draw(st.integers(1, 96), "H")
    width = draw(st.integers(1, max(1, min(96, 300 // height))), "W")
    sizes = (draw(st.integers(1, 3), "B"), height, width, draw(st.integers(1, 130), "D"))
    dims = ScanDims(*sizes, state=draw(st.integers(1, 20), "N"), rank=draw(st.integers(1, 48), "R"))
    dims = draw(st.sampled_from(every_form(dims)), "form")
    in_dtype, out_dtype = draw(st.sampled_from(DTYPE_PAIRS), "dtypes")
    case = scan_case(dims, in_dtype, seed=draw(st.integers(0, 2**32 - 1), "seed"))
    check_accuracy(native_scan(case, out_dtype), case.expected, out_dtype)


@pytest.mark.parametrize("dims", every_form(ScanDims(3, 9, 6, 97, 2, 5)), ids=str)
def test_bits_do_not_depend_on_who_runs_it(dims, scan_case, native_scan):
    case = scan_case(dims, FLOAT16, seed=5)
    expected = native_scan(case)
    executors = [own_threads(n) for n in (1, 2, 7)]
    executors += [executor_of(n, backwards=n > 1) for n in (1, 2, 64)]
    for executor in [None, *executors]:
        np.testing.assert_array_equal(native_scan(case, executor=executor), expected)


@pytest.mark.parametrize("dims", every_form(ScanDims(3, 1, 40, 50, 2, 7)), ids=str)
def test_bits_do_not_depend_on_the_place_in_the_batch(dims, scan_case, native_scan):
    case = scan_case(dims, seed=6)
    together = native_scan(case)
    axis = 1 if dims.x_per_route else 0
    for image in range(dims.batch):
        maps = [np.take(value, [image], axis) for value in case.inputs[:2]]
        alone = type(case)(replace(dims, batch=1), FLOAT32, (*maps, *case.inputs[2:]))
        np.testing.assert_array_equal(native_scan(alone)[0], together[image])


def test_four_routes_of_one_x_give_the_bits_of_the_first_op(scan_case, native_scan):
    dims = ScanDims(2, 9, 13, 50, 3, 7)
    case, y = scan_case(dims, FLOAT16, seed=7), np.full((2, 9, 13, 50), np.nan, np.float32)
    desc = ScanDesc(2, 9, 13, 50, dims.state, dims.rank, FLOAT16, FLOAT32)
    args = ScanArgs(*(value.ctypes.data for value in case.inputs), y.ctypes.data)
    library = load_native("vmamba_cpu")
    library.check(library.function("vmamba_scan_cpu")(desc, args, None))
    np.testing.assert_array_equal(native_scan(case), y)


def test_every_list_of_routes(scan_case, native_scan):
    for routes in every_list_of_routes():
        case = scan_case(ScanDims(1, 3, 4, 5, 2, 1, routes), seed=len(routes))
        check_accuracy(native_scan(case), case.expected, FLOAT32)


@pytest.mark.parametrize("routes", [(0, 1, 2, 3), (0, 2), (0,), (1, 3, 3)], ids=str)
def test_an_x_for_each_route_that_is_the_same_for_all_is_one_for_all(
    routes, scan_case, native_scan
):
    shared = scan_case(ScanDims(2, 4, 5, 20, 3, 2, routes), seed=8)
    x, proj, *parameters = shared.inputs
    count, dims = len(routes), replace(shared.dims, x_per_route=True)
    by_route = proj.reshape(*proj.shape[:3], count, -1)
    inputs = (np.stack([x] * count), np.moveaxis(by_route, 3, 0), *parameters)
    own = type(shared)(dims, FLOAT32, inputs)
    np.testing.assert_allclose(native_scan(own), native_scan(shared), rtol=1e-5, atol=2e-6)


def test_empty_batch_touches_nothing(scan_case, native_scan):
    for dims in every_form(ScanDims(0, 3, 4, 5, 1, 2)):
        assert native_scan(scan_case(dims)).shape == (0, 3, 4, 5)


@pytest.mark.parametrize("bias", [-100.0, -30.0, 30.0, 100.0])
@pytest.mark.parametrize("dims", every_form(ScanDims(1, 6, 7, 19, 2, 3)), ids=str)
def test_extreme_steps(dims, bias, scan_case, native_scan):
    case = scan_case(dims, FLOAT32, seed=8)
    case.inputs[3][:] = bias
    check_accuracy(native_scan(case), case.expected, FLOAT32)


def test_what_is_not_a_number_stays_on_its_route(scan_case, native_scan):
    case = scan_case(ScanDims(1, 1, 9, 20, 2, 3, (0, 2), x_per_route=True), seed=10)
    case.inputs[0][1, 0, 0, 4, 7] = np.nan  # of the route that comes back, at its fifth pixel
    y = native_scan(case)
    assert np.isnan(y[0, 0, :5, 7]).all()
    assert np.isfinite(y[0, 0, 5:, 7]).all()
    assert np.isfinite(np.delete(y, 7, axis=-1)).all()


def test_a_route_that_is_not_there_is_not_read(scan_case, native_scan):
    """One route forward sees no later pixel; two of a sequence see both sides."""
    one = scan_case(ScanDims(1, 1, 12, 5, 2, 2, (0,)), seed=11)
    both = scan_case(ScanDims(1, 1, 12, 5, 2, 2, (0, 2)), seed=11)
    for case, earlier_moves in ((one, False), (both, True)):
        before = native_scan(case)
        case.inputs[0][0, 0, 8] += 1
        changed = (native_scan(case) != before).any(axis=-1)[0, 0]
        assert changed[8:].all()
        assert changed[:8].all() if earlier_moves else not changed[:8].any()
