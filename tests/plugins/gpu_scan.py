"""The C interface on tensors, with the result and the workspace in poisoned, guarded memory."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from benchmarks.c_interface import ScanArgs, SelectiveScanDesc, load_native
from vmamba_deploy.ops.torch_registration import ONNX_CODES
from vmamba_deploy.testing import ScanTensors

POISON = 0xFF  # every float made of such bytes is a NaN
GUARD_BYTES = 4096
_ALIGNMENT = 256


class OutOfBoundsError(AssertionError):
    """A byte beside the result or the workspace was written."""


class Guarded:
    """Poisoned bytes on a device with a guard on either side."""

    def __init__(self, size_bytes: int, device: torch.device) -> None:
        # The far guard begins with the very first byte behind the buffer.
        self._whole = torch.full(
            (size_bytes + 2 * GUARD_BYTES,), POISON, dtype=torch.uint8, device=device
        )
        self._size = size_bytes

    @property
    def inner(self) -> Tensor:
        """The buffer between the guards, uint8."""
        return self._whole[GUARD_BYTES : GUARD_BYTES + self._size]

    def check(self, what: str) -> None:
        """Raise OutOfBoundsError if a guard was touched."""
        before, after = self._whole[:GUARD_BYTES], self._whole[GUARD_BYTES + self._size :]
        if not bool(((before == POISON).all() & (after == POISON).all()).item()):
            raise OutOfBoundsError(f"memory beside {what} was written")


def poisoned_scan(inputs: ScanTensors, out_dtype: torch.dtype) -> Tensor:
    """y [B,H,W,D] of a call of SelectiveScan over poisoned memory.

    Raises:
        OutOfBoundsError: a guard byte was written.
        RuntimeError: the CUDA runtime reported an error.
    """
    x = inputs.x
    name = "vmamba_cuda" if x.is_cuda else "vmamba_cpu"
    library = load_native(name)
    desc = SelectiveScanDesc.of(inputs.dims, ONNX_CODES[x.dtype], ONNX_CODES[out_dtype])
    shape = x.shape[-4:]
    result = Guarded(shape.numel() * out_dtype.itemsize, x.device)
    args = ScanArgs(*(tensor.data_ptr() for tensor in inputs.scan), result.inner.data_ptr())
    if x.is_cuda:
        needed = ctypes.c_size_t()
        library.check(library.function("vmamba_selective_scan_cuda_workspace")(desc, needed))
        workspace = Guarded(needed.value, x.device)
        assert workspace.inner.data_ptr() % _ALIGNMENT == 0 or needed.value == 0
        stream = torch.cuda.current_stream().cuda_stream
        launch = library.function("vmamba_selective_scan_cuda")
        library.check(launch(desc, args, workspace.inner.data_ptr(), needed, stream))
        torch.cuda.synchronize()
        workspace.check("the workspace")
    else:
        library.check(library.function("vmamba_selective_scan_cpu")(desc, args, None))
    result.check("the result")
    return result.inner.view(out_dtype).view(shape)
