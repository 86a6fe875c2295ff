"""The CUDA kernels, compiled for the host, in every form of SelectiveScan, against float64.

Its routes, an x for all or for each, the step of low rank or for each channel; ways of launching
and thread orders are in test_cuda_emulated.py.
"""

from __future__ import annotations

import ctypes
from dataclasses import replace

import numpy as np
import pytest
from c_interface import EmulatedScan
from hypothesis import given, settings
from hypothesis import strategies as st
from launch_cases import LARGE, ONE, SMALL, TIGHT, EmulatedDevice

from benchmarks.c_interface import ScanArgs, ScanDesc
from tests.ops.route_lists import every_list_of_routes
from vmamba_deploy.ops.op import FLOAT16, FLOAT32
from vmamba_deploy.ops.selective_scan.specification import ScanDims
from vmamba_deploy.testing import DTYPE_PAIRS, ScanCase, check_accuracy, every_form, random_case

# Sequences of one pixel, of MambaVision's windows and of Vim; maps; channels that fill no warp.
SIZES = [
    ScanDims(batch=2, height=1, width=1, channels=1, state=1, rank=1),
    ScanDims(batch=2, height=1, width=49, channels=33, state=8, rank=4),
    ScanDims(batch=1, height=1, width=196, channels=20, state=8, rank=5),
    ScanDims(batch=1, height=1, width=197, channels=37, state=16, rank=12),
    ScanDims(batch=1, height=1, width=730, channels=5, state=16, rank=2),
    ScanDims(batch=2, height=9, width=14, channels=64, state=1, rank=6),
    ScanDims(batch=1, height=13, width=8, channels=3, state=40, rank=7),
]
FORMS = every_form(SIZES[0])


def of_form(dims: ScanDims, form: ScanDims) -> ScanDims:
    """The sizes of the one in the form of the other."""
    return every_form(dims)[FORMS.index(form)]


def name_of(form: ScanDims) -> str:
    x = "x-per-route" if form.x_per_route else "one-x"
    step = "step-per-channel" if form.step_per_channel else "low-rank"
    return f"{len(form.routes)}-routes-{x}-{step}"


@pytest.fixture
def scan(emulated: EmulatedScan) -> EmulatedScan:
    """The emulated library, with its devices as they are when it is loaded."""
    emulated.use_device()
    return emulated


def check(scan: EmulatedScan, case: ScanCase, in_dtype: int, out_dtype: int) -> None:
    got = scan(case.dims, case.inputs, in_dtype, out_dtype)
    check_accuracy(got, case.expected, out_dtype)


@pytest.mark.parametrize("device", [LARGE, ONE], ids=["large", "one multiprocessor"])
@pytest.mark.parametrize("form", FORMS, ids=name_of)
def test_every_form_at_every_size(
    scan: EmulatedScan, form: ScanDims, device: EmulatedDevice
) -> None:
    scan.use_device(device, seed=2)
    for place, sizes in enumerate(SIZES):
        # Each size meets each pair of dtypes in some form.
        in_dtype, out_dtype = DTYPE_PAIRS[(place + FORMS.index(form)) % len(DTYPE_PAIRS)]
        case = random_case(of_form(sizes, form), in_dtype, seed=place)
        check(scan, case, in_dtype, out_dtype)


@pytest.mark.parametrize(("in_dtype", "out_dtype"), DTYPE_PAIRS)
@pytest.mark.parametrize("form", FORMS, ids=name_of)
def test_every_form_in_every_dtype(
    scan: EmulatedScan, form: ScanDims, in_dtype: int, out_dtype: int
) -> None:
    for sizes in (SIZES[3], replace(SIZES[3], height=5, width=11, channels=32)):
        check(scan, random_case(of_form(sizes, form), in_dtype, seed=1), in_dtype, out_dtype)


def test_every_list_of_routes(scan: EmulatedScan) -> None:
    """In one piece, and cut into segments."""
    cuts = set()
    for device, state in ((ONE, 1), (LARGE, 2)):
        for routes in every_list_of_routes():
            dims = ScanDims(1, 3, 7, 5, state, 1, routes, x_per_route=len(routes) == 3)
            cuts.add(scan.plan(device, dims).segments > 1)
            check(scan, random_case(dims, FLOAT16, seed=len(routes)), FLOAT16, FLOAT16)
    assert cuts == {False, True}


def test_routes_of_which_each_has_one_that_comes_back_are_walked_two_at_a_time(
    scan: EmulatedScan,
) -> None:
    for routes in every_list_of_routes():
        paired = all(routes.count(there) == routes.count(there + 2) for there in (0, 1))
        plan = scan.plan(ONE, ScanDims(1, 3, 7, 5, 2, 1, routes))
        assert plan.warps_per_scan == (2 if paired else 1), routes


@st.composite
def any_dims(draw: st.DrawFn) -> ScanDims:
    """Every form and size; many states where the map is small."""
    height, width = draw(st.integers(1, 24)), draw(st.integers(1, 40))
    most_states = 40 if height * width < 200 else 17
    sizes = ScanDims(
        batch=draw(st.integers(1, 3)),
        height=height,
        width=width,
        channels=draw(st.integers(1, 40)),
        state=draw(st.one_of(st.sampled_from((1, 8, 16)), st.integers(1, most_states))),
        rank=draw(st.integers(1, 49)),
    )
    return draw(st.sampled_from(every_form(sizes)))


@settings(max_examples=max(60, settings().max_examples))
@given(
    dims=any_dims(),
    dtypes=st.sampled_from(DTYPE_PAIRS),
    device=st.sampled_from([LARGE, SMALL, ONE, TIGHT]),
    seed=st.integers(0, 2**32),
)
def test_random_shapes(
    emulated: EmulatedScan,
    dims: ScanDims,
    dtypes: tuple[int, int],
    device: EmulatedDevice,
    seed: int,
) -> None:
    emulated.use_device(device, seed)
    check(emulated, random_case(dims, dtypes[0], seed), *dtypes)


@pytest.mark.parametrize("device", [LARGE, ONE], ids=["large", "one multiprocessor"])
@pytest.mark.parametrize("form", FORMS, ids=name_of)
def test_equal_bits_on_a_rerun_and_in_every_batch_position(
    scan: EmulatedScan, form: ScanDims, device: EmulatedDevice
) -> None:
    image = of_form(ScanDims(1, 7, 11, 20, 17, 6), form)
    x, proj, *parameters = random_case(image, FLOAT16, seed=3).inputs
    axis = x.ndim - 4
    batch = (*(np.repeat(value, 3, axis=axis) for value in (x, proj)), *parameters)
    first: bytes | None = None
    for seed in (0, 5):  # the second run in another order of threads
        scan.use_device(device, seed)
        for y in scan(replace(image, batch=3), batch, FLOAT16, FLOAT16):
            first = first or y.tobytes()
            assert y.tobytes() == first


@pytest.mark.parametrize("state", [1, 8, 16, 17])
def test_selective_scan_2d_is_the_case_of_four_routes(scan: EmulatedScan, state: int) -> None:
    dims = ScanDims(2, 7, 5, 33, state, 6)
    case = random_case(dims, FLOAT16, seed=state)
    general = scan(dims, case.inputs, FLOAT16, FLOAT32)
    desc = ScanDesc(2, 7, 5, 33, state, 6, FLOAT16, FLOAT32)
    needed = ctypes.c_size_t()
    scan.check(scan.library.vmamba_scan_cuda_workspace(ctypes.byref(desc), ctypes.byref(needed)))
    assert needed.value == scan.workspace_bytes(scan.desc(dims, FLOAT16, FLOAT32))
    workspace = np.full(needed.value + 256, 0xFF, np.uint8)
    aligned = workspace.ctypes.data + -workspace.ctypes.data % 256
    y = np.full_like(general, np.nan)
    args = ScanArgs(*(value.ctypes.data for value in (*case.inputs, y)))
    status = scan.library.vmamba_scan_cuda(
        ctypes.byref(desc), ctypes.byref(args), ctypes.c_void_p(aligned), needed, None
    )
    scan.check(status)
    assert y.tobytes() == general.tobytes()


def test_one_state_of_another_form_is_no_call_of_the_one_state_kernels(scan: EmulatedScan) -> None:
    two_d, *others = every_form(ScanDims(1, 14, 14, 40, 1, 4))
    assert scan.plan(LARGE, two_d).walk_states == 1
    assert {scan.plan(LARGE, dims).walk_states for dims in others} == {8}


@pytest.mark.parametrize("form", FORMS, ids=name_of)
def test_workspace_grows_with_every_size(scan: EmulatedScan, form: ScanDims) -> None:
    """And is the same for an x for each route, which it does not hold."""

    def workspace(batch: int, height: int, width: int) -> int:
        dims = of_form(ScanDims(batch, height, width, channels=24, state=16, rank=3), form)
        needed = scan.workspace_bytes(scan.desc(dims, FLOAT16, FLOAT16))
        other = replace(dims, x_per_route=not dims.x_per_route)
        assert scan.workspace_bytes(scan.desc(other, FLOAT16, FLOAT16)) == needed
        return needed

    for size in range(1, 40):
        here = workspace(2, size, 11)
        assert workspace(2, size + 1, 11) >= here
        assert workspace(2, 11, size + 1) >= workspace(2, 11, size)
        assert workspace(3, size, 11) >= here


def test_one_route_needs_a_map_where_its_states_take_more_than_one_walk(
    scan: EmulatedScan,
) -> None:
    def workspace(routes: tuple[int, ...], state: int) -> int:
        dims = ScanDims(512, 1, 197, 192, state, 12, routes=routes)
        return scan.workspace_bytes(scan.desc(dims, FLOAT16, FLOAT16))

    map_bytes = 512 * 197 * 192 * 4
    assert workspace((0,), 16) < 20 * 2**20 < map_bytes < workspace((0,), 17)
    assert workspace((0, 2), 16) > map_bytes


def test_what_the_kernels_cannot_index_is_refused(scan: EmulatedScan) -> None:
    dims = ScanDims(1, 1, 1, 2**28, 1, 1, step_per_channel=True)
    with pytest.raises(RuntimeError, match="status 2: a pixel's features in proj are over"):
        scan.workspace_bytes(scan.desc(dims, FLOAT32, FLOAT32))
    scan.workspace_bytes(scan.desc(replace(dims, x_per_route=True), FLOAT32, FLOAT32))


def test_an_empty_batch_is_a_valid_call(scan: EmulatedScan) -> None:
    dims = ScanDims(0, 1, 9, 8, 16, 2, routes=(0, 2), x_per_route=True)
    inputs = random_case(dims, FLOAT32, seed=0).inputs
    assert scan(dims, inputs, FLOAT32, FLOAT32).shape == (0, 1, 9, 8)
