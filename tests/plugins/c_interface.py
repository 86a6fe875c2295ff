"""The CUDA entry points of the C interface through ctypes, on arrays in host memory."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
from launch_cases import LARGE, EmulatedDevice, Way

from benchmarks.c_interface import ScanArgs, SelectiveScanDesc
from vmamba_deploy.ops.op import BFLOAT16, FLOAT16
from vmamba_deploy.ops.selective_scan.specification import ScanDims
from vmamba_deploy.testing import numpy_dtype


class EmulatedPlan(ctypes.Structure):
    """EmulatedPlan of plugins/tests/emulation/device.cpp; scans_per_block is 0 where none fits."""

    _fields_ = tuple(
        (name, ctypes.c_int32)
        for name in (
            *("global_map", "warps_per_scan", "scans_per_block", "pieces_per_segment", "segments"),
            *("walk_states", "finds_starts", "shared_bytes", "barriers", "resident_blocks"),
            "starts_late",
        )
    )

    @property
    def block_warps(self) -> int:
        """Warps of a block."""
        return self.warps_per_scan * self.scans_per_block


class EmulatedLibrary:
    """The kernels' library where a device pointer is a host pointer."""

    def __init__(self, path: Path) -> None:
        self.library = ctypes.CDLL(str(path))
        self.library.vmamba_last_error.restype = ctypes.c_char_p

    def last_error(self) -> str:
        return self.library.vmamba_last_error().decode()

    def check(self, status: int) -> None:
        """Raise RuntimeError unless a call went well."""
        if status != 0:
            raise RuntimeError(f"status {status}: {self.last_error()}")

    def use_device(self, device: EmulatedDevice = LARGE, seed: int = 0) -> None:
        """The GPU to emulate; `seed` orders its threads and blocks, 0 by their number."""
        self.library.vmamba_emulate_device(
            device.multiprocessors,
            device.shared_bytes_per_block,
            device.shared_bytes_per_multiprocessor,
            device.blocks_per_multiprocessor,
            device.compute_capability,
            ctypes.c_uint64(seed),
        )


class EmulatedScan(EmulatedLibrary):
    """vmamba_selective_scan_cuda on arrays in host memory."""

    def plan(self, device: EmulatedDevice, dims: ScanDims, in_dtype: int = FLOAT16) -> EmulatedPlan:
        """What a call of these inputs would launch."""
        self.use_device(device)
        plan = EmulatedPlan()
        desc = self.desc(dims, in_dtype, in_dtype)
        self.library.vmamba_emulated_plan(ctypes.byref(desc), ctypes.byref(plan))
        return plan

    def way(self, device: EmulatedDevice, dims: ScanDims) -> Way | None:
        """How a call in float16 would be launched on a GPU.

        None where the GPU is too small, also for one in bfloat16, which takes the most of it.
        """
        plan = self.plan(device, dims)
        if self.plan(device, dims, BFLOAT16).scans_per_block == 0:
            return None
        place = "global" if plan.global_map else "shared"
        one_state, cut = plan.walk_states == 1, plan.segments > 1
        # Tiles tell their scans apart alike, whether routes are cut or not; segments of two chunks
        # are as those of more.
        several = plan.scans_per_block > 1 and not (one_state and cut)
        length = plan.pieces_per_segment if one_state else min(plan.pieces_per_segment, 2)
        return Way(
            plan.walk_states,
            place,
            plan.warps_per_scan,
            several,
            length if cut else 0,
            bool(plan.finds_starts),
            len(dims.routes),
        )

    def desc(self, dims: ScanDims, in_dtype: int, out_dtype: int) -> SelectiveScanDesc:
        return SelectiveScanDesc.of(dims, in_dtype, out_dtype)

    def workspace_bytes(self, desc: SelectiveScanDesc) -> int:
        size = ctypes.c_size_t(0)
        ask = self.library.vmamba_selective_scan_cuda_workspace
        self.check(ask(ctypes.byref(desc), ctypes.byref(size)))
        return size.value

    def __call__(
        self, dims: ScanDims, inputs: tuple[np.ndarray, ...], in_dtype: int, out_dtype: int
    ) -> np.ndarray:
        """y, computed over an output and a workspace that hold nothing but NaN before.

        The bytes behind both are checked to be untouched afterwards.
        """
        desc = self.desc(dims, in_dtype, out_dtype)
        needed = self.workspace_bytes(desc)
        workspace = np.full(needed + 512, 0xFF, np.uint8)
        start = -workspace.ctypes.data % 256
        element = numpy_dtype(out_dtype)
        count = dims.batch * dims.length * dims.channels
        guarded = np.full(count * element.itemsize + 64, 0xFF, np.uint8)
        pointers = [np.ascontiguousarray(value) for value in inputs]
        args = ScanArgs(*(value.ctypes.data for value in pointers), guarded.ctypes.data)
        status = self.library.vmamba_selective_scan_cuda(
            ctypes.byref(desc),
            ctypes.byref(args),
            ctypes.c_void_p(workspace.ctypes.data + start),
            ctypes.c_size_t(needed),
            None,
        )
        self.check(status)
        assert (workspace[:start] == 0xFF).all()
        assert (workspace[start + needed :] == 0xFF).all()
        assert (guarded[-64:] == 0xFF).all()
        y = guarded[:-64].view(element)
        return y.reshape(dims.batch, dims.height, dims.width, dims.channels)
