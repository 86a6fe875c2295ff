"""vmamba_roi_align_cuda through ctypes, on arrays in host memory."""

from __future__ import annotations

import ctypes

import numpy as np
from c_interface import EmulatedLibrary

from benchmarks.c_interface import RoiAlignArgs, RoiAlignDesc
from vmamba_deploy.testing import RoiAlignCase, numpy_dtype

_GUARD_BYTES = 64


class RoiAlignPlan(ctypes.Structure):
    """EmulatedRoiAlignPlan of plugins/tests/emulation/device.cpp."""

    _fields_ = (
        ("blocks", ctypes.c_int64),
        *((name, ctypes.c_int32) for name in ("slice_channels", "slices", "threads")),
        ("shared_bytes", ctypes.c_int32),
    )


class EmulatedRoiAlign(EmulatedLibrary):
    """vmamba_roi_align_cuda where a device pointer is a host pointer."""

    def desc(self, case: RoiAlignCase, out_dtype: int) -> RoiAlignDesc:
        batch, channels = case.maps[0].shape[:2]
        sides = [(ctypes.c_int64 * 4)(*(each.shape[axis] for each in case.maps)) for axis in (2, 3)]
        sizes = (batch, case.boxes.shape[1], channels, *sides, case.output_size)
        return RoiAlignDesc(*sizes, case.in_dtype, out_dtype)

    def plan(self, desc: RoiAlignDesc) -> RoiAlignPlan:
        """What a call would launch on the emulated GPU."""
        plan = RoiAlignPlan()
        self.check(
            self.library.vmamba_emulated_roi_align_plan(ctypes.byref(desc), ctypes.byref(plan))
        )
        return plan

    def __call__(self, case: RoiAlignCase, out_dtype: int) -> np.ndarray:
        """y [B,K,C,S,S], over memory of nothing but NaN; the bytes behind it stay as they were."""
        desc, element = self.desc(case, out_dtype), numpy_dtype(out_dtype)
        shape = (desc.batch, desc.boxes, desc.channels, desc.output_size, desc.output_size)
        guarded = np.full(int(np.prod(shape)) * element.itemsize + _GUARD_BYTES, 0xFF, np.uint8)
        assert all(each.flags.c_contiguous for each in case.inputs)
        maps = (ctypes.c_void_p * 4)(*(each.ctypes.data for each in case.maps))
        args = RoiAlignArgs(maps, case.boxes.ctypes.data, guarded.ctypes.data)
        self.check(self.library.vmamba_roi_align_cuda(ctypes.byref(desc), ctypes.byref(args), None))
        assert (guarded[-_GUARD_BYTES:] == 0xFF).all()
        return guarded[:-_GUARD_BYTES].view(element).reshape(shape)
