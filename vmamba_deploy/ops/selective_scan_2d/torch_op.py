"""`torch.ops.vmamba.selective_scan_2d` over the C interface. Importing this module registers it.

The operator has CPU and CUDA kernels, a fake one for tracing and `torch.compile`, and a gradient
that recomputes the forward pass through `torch_reference` (correct and slow: for fine-tuning a few
layers, not for training from scratch).
"""

from __future__ import annotations

import ctypes
from typing import Any

import torch
from torch import Tensor

from vmamba_deploy.ops.native_abi import ScanArgs, ScanDesc, load_native
from vmamba_deploy.ops.op import BFLOAT16, DTYPE_NAMES, FLOAT16, FLOAT32
from vmamba_deploy.ops.selective_scan_2d.specification import (
    SELECTIVE_SCAN_2D,
    ScanDims,
    infer_dims,
)
from vmamba_deploy.ops.selective_scan_2d.torch_reference import (
    TORCH_DTYPES,
    selective_scan_2d_reference,
)

OP_NAME = "vmamba::selective_scan_2d"
BACKWARD_NAME = "vmamba::selective_scan_2d_backward"
_TENSORS = ", ".join(f"Tensor {name}" for name in SELECTIVE_SCAN_2D.input_names)
_ONNX_CODES = {torch.float32: FLOAT32, torch.float16: FLOAT16, torch.bfloat16: BFLOAT16}


def selective_scan_2d(
    x: Tensor,
    proj: Tensor,
    dt_weight: Tensor,
    dt_bias: Tensor,
    a: Tensor,
    d: Tensor,
    out_dtype: int,
) -> Tensor:
    """Cross-scan, dt projection, selective scan, skip and cross-merge (docs/selective_scan_2d.md).

    Args:
        x: [B, H, W, D] float32, float16 or bfloat16, CPU or CUDA.
        proj: [B, H, W, 4*(R+2N)], dtype of x.
        dt_weight: [4, R, D] float32.
        dt_bias: [4, D] float32.
        a: [4, N, D] float32, negative.
        d: [4, D] float32.
        out_dtype: ONNX code of the result: 1 (float32) or the code of x's dtype (10, 16).

    Returns:
        [B, H, W, D], contiguous, of `out_dtype`.

    Raises:
        ValueError: an input of a wrong shape, dtype or device; the message names it.
        EnvironmentProblem: the native library can neither be found nor built.
    """
    result: Tensor = torch.ops.vmamba.selective_scan_2d(
        x, proj, dt_weight, dt_bias, a, d, out_dtype
    )
    return result


def _check(tensors: tuple[Tensor, ...], out_dtype: int) -> ScanDims:
    x = tensors[0]
    if x.dtype not in _ONNX_CODES:
        raise ValueError(f"x is {x.dtype}, expected float32, float16 or bfloat16")
    for name, tensor in zip(SELECTIVE_SCAN_2D.input_names, tensors, strict=True):
        expected = x.dtype if name in ("x", "proj") else torch.float32
        if tensor.dtype != expected:
            raise ValueError(f"{name} is {tensor.dtype}, expected {expected}")
        if tensor.device != x.device:
            raise ValueError(f"{name} is on {tensor.device}, expected {x.device}, where x is")
    if out_dtype not in (FLOAT32, _ONNX_CODES[x.dtype]):
        raise ValueError(
            f"out_dtype is {out_dtype} ({DTYPE_NAMES.get(out_dtype, 'unknown')}), "
            f"expected {FLOAT32} (float32) or the dtype of x ({x.dtype})"
        )
    return infer_dims(*(tensor.shape for tensor in tensors))


def _prepare(
    tensors: tuple[Tensor, ...], out_dtype: int
) -> tuple[ScanDesc, ScanArgs, tuple[Tensor, ...], Tensor]:
    """The C structs, with the tensors whose memory they point into (keep those alive)."""
    dims = _check(tensors, out_dtype)
    contiguous = tuple(tensor.contiguous() for tensor in tensors)
    y = torch.empty(tensors[0].shape, dtype=TORCH_DTYPES[out_dtype], device=tensors[0].device)
    desc = ScanDesc(
        dims.batch,
        dims.height,
        dims.width,
        dims.channels,
        dims.state,
        dims.rank,
        _ONNX_CODES[tensors[0].dtype],
        out_dtype,
    )
    args = ScanArgs(*(tensor.data_ptr() for tensor in contiguous), y.data_ptr())
    return desc, args, contiguous, y


def _run_cpu(*call: Any) -> Tensor:
    library = load_native("vmamba_cpu")
    desc, args, _alive, y = _prepare(call[:-1], call[-1])
    library.check(library.function("vmamba_scan_cpu")(desc, args, None))
    return y


def _run_cuda(*call: Any) -> Tensor:
    library = load_native("vmamba_cuda")
    desc, args, _alive, y = _prepare(call[:-1], call[-1])
    workspace_bytes = ctypes.c_size_t()
    library.check(library.function("vmamba_scan_cuda_workspace")(desc, workspace_bytes))
    with torch.cuda.device(y.device):
        # From PyTorch's allocator, ordered by the stream: safe inside a CUDA graph capture.
        workspace = torch.empty(workspace_bytes.value, dtype=torch.uint8, device=y.device)
        stream = torch.cuda.current_stream(y.device).cuda_stream
        launch = library.function("vmamba_scan_cuda")
        library.check(launch(desc, args, workspace.data_ptr(), workspace_bytes, stream))
    return y


def _run_fake(*call: Any) -> Tensor:
    _check(call[:-1], call[-1])
    return torch.empty(call[0].shape, dtype=TORCH_DTYPES[call[-1]], device=call[0].device)


def _run_backward(grad: Tensor, *call: Any) -> tuple[Tensor, ...]:
    with torch.enable_grad():
        inputs = [tensor.detach().requires_grad_() for tensor in call[:-1]]
        x, proj, dt_weight, dt_bias, a, d = inputs
        y = selective_scan_2d_reference(x, proj, dt_weight, dt_bias, a, d, call[-1])
    gradients = torch.autograd.grad(y, inputs, grad.to(y.dtype))
    return tuple(gradient.contiguous() for gradient in gradients)


def _fake_backward(_grad: Tensor, *call: Any) -> tuple[Tensor, ...]:
    return tuple(tensor.new_empty(tensor.shape) for tensor in call[:-1])


def _save_inputs(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:-1])
    ctx.out_dtype = inputs[-1]


def _gradients(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    backward = torch.ops.vmamba.selective_scan_2d_backward
    return (*backward(grad, *ctx.saved_tensors, ctx.out_dtype), None)


def _register() -> None:
    results = ", ".join("Tensor" for _ in SELECTIVE_SCAN_2D.input_names)
    torch.library.define(OP_NAME, f"({_TENSORS}, int out_dtype) -> Tensor")
    torch.library.define(BACKWARD_NAME, f"(Tensor grad, {_TENSORS}, int out_dtype) -> ({results})")
    torch.library.impl(OP_NAME, "CPU", _run_cpu)
    torch.library.impl(OP_NAME, "CUDA", _run_cuda)
    torch.library.impl(BACKWARD_NAME, ("CPU", "CUDA"), _run_backward)
    torch.library.register_fake(OP_NAME, _run_fake)
    torch.library.register_fake(BACKWARD_NAME, _fake_backward)
    torch.library.register_autograd(OP_NAME, _gradients, setup_context=_save_inputs)


_register()
