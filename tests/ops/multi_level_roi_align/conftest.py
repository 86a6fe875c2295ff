"""The C interface called on random cases, and the calls that every implementation is given."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.c_interface import RoiAlignArgs, RoiAlignDesc, load_native
from vmamba_deploy.ops.op import FLOAT32
from vmamba_deploy.testing import RoiAlignCase, numpy_dtype


def run_native(case: RoiAlignCase, out_dtype: int = FLOAT32, executor: object = None) -> np.ndarray:
    """`vmamba_roi_align_cpu` on a case; the output starts as NaN, so that a bin left out shows.

    What lies behind the output is checked to be untouched.
    """
    library = load_native("vmamba_cpu")
    batch, count = case.boxes.shape[:2]
    channels = case.maps[0].shape[1]
    shape = (batch, count, channels, case.output_size, case.output_size)
    guarded = np.full(int(np.prod(shape)) + 64, np.nan, numpy_dtype(out_dtype))
    maps = [np.ascontiguousarray(each) for each in case.maps]
    heights = (ctypes.c_int64 * 4)(*(each.shape[2] for each in maps))
    widths = (ctypes.c_int64 * 4)(*(each.shape[3] for each in maps))
    desc = RoiAlignDesc(
        batch, count, channels, heights, widths, case.output_size, case.in_dtype, out_dtype
    )
    pointers = (ctypes.c_void_p * 4)(*(each.ctypes.data for each in maps))
    args = RoiAlignArgs(pointers, case.boxes.ctypes.data, guarded.ctypes.data)
    pointer = None if executor is None else ctypes.byref(executor)
    library.check(library.function("vmamba_roi_align_cpu")(desc, args, pointer))
    assert np.isnan(guarded[-64:].astype(np.float32)).all()
    return guarded[:-64].reshape(shape)


@pytest.fixture(scope="session")
def native_roi_align() -> Callable[..., np.ndarray]:
    return run_native
