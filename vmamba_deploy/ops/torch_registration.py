"""An op as a PyTorch operator: its schema, its fake and its gradient.

The kernels come from libvmamba_torch.so, which is loaded at the first call. The gradient recomputes
the forward pass through a reference in plain PyTorch: correct and slow, for fine-tuning a few
layers, not for training from scratch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor

from vmamba_deploy.errors import BuildError, EnvironmentProblem
from vmamba_deploy.ops.op import BFLOAT16, DTYPE_NAMES, FLOAT16, FLOAT32, Op

TORCH_DTYPES = {FLOAT32: torch.float32, FLOAT16: torch.float16, BFLOAT16: torch.bfloat16}
ONNX_CODES = {dtype: code for code, dtype in TORCH_DTYPES.items()}
LIBRARY = "vmamba_torch"
REFERENCES: dict[str, Callable[..., Tensor]] = {}
"""Of each operator that is registered, by its name, its reference in plain PyTorch."""
_UNSUPPORTED = "cannot run here: "  # as plugins/torch says it
_SCHEMA_TYPES = {"int": "int", "ints": "int[]", "string": "str"}


def register(op: Op, reference: Callable[..., Tensor]) -> None:
    """Define `op.torch_name` and `<op.torch_name>_backward` in `torch.ops`.

    Args:
        op: with one output.
        reference: differentiable; takes the arguments of the operator.
    """
    REFERENCES[op.torch_name] = reference
    count = len(op.inputs)
    tensors = ", ".join(f"Tensor {name}" for name in op.input_names)
    others = "".join(f", {_SCHEMA_TYPES[each.kind]} {each.name}" for each in op.arguments)
    backward_name = f"{op.torch_name}_backward"
    namespace, name = op.torch_name.split("::")

    def load_and_call(*call: Any) -> Tensor:
        for operand, tensor in zip(op.inputs, call, strict=False):
            if tensor.layout is not torch.strided or tensor.is_quantized:
                raise ValueError(f"{operand.name} is not a dense tensor")  # no device's kernel
        load_library()
        device = call[0].device
        if not torch._C._dispatch_has_kernel_for_dispatch_key(op.torch_name, device.type.upper()):
            raise EnvironmentProblem(
                f"lib{LIBRARY}.so brings no kernel of {op.torch_name} for {device}",
                hint="build it where nvcc is found (`make native`)",
            )
        y: Tensor = getattr(getattr(torch.ops, namespace), name)(*call)
        return y

    def fake(*call: Any) -> Tensor:
        shape, code = infer_output(op, call[:count], call[count:])
        return torch.empty(shape, dtype=TORCH_DTYPES[code], device=call[0].device)

    def backward(grad: Tensor, *call: Any) -> tuple[Tensor, ...]:
        with torch.enable_grad():
            inputs = [tensor.detach().requires_grad_() for tensor in call[:count]]
            y = reference(*inputs, *call[count:])
        # An input that cannot move the result, such as a map with no box, has a gradient of zeros.
        gradients = torch.autograd.grad(y, inputs, grad.to(y.dtype), materialize_grads=True)
        return tuple(gradient.contiguous() for gradient in gradients)

    def fake_backward(_grad: Tensor, *call: Any) -> tuple[Tensor, ...]:
        return tuple(tensor.new_empty(tensor.shape) for tensor in call[:count])

    def save_inputs(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:count])
        ctx.others = inputs[count:]

    def gradients(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        operator = getattr(getattr(torch.ops, namespace), f"{name}_backward")
        return *operator(grad, *ctx.saved_tensors, *ctx.others), *(None for _ in ctx.others)

    results = ", ".join("Tensor" for _ in op.inputs)
    torch.library.define(op.torch_name, f"({tensors}{others}) -> Tensor")
    torch.library.define(backward_name, f"(Tensor grad, {tensors}{others}) -> ({results})")
    # The kernels of a device have precedence over this one as soon as the library brings them.
    torch.library.impl(op.torch_name, "CompositeExplicitAutograd", load_and_call)
    torch.library.impl(backward_name, "CompositeExplicitAutograd", backward)
    torch.library.register_fake(op.torch_name, fake)
    torch.library.register_fake(backward_name, fake_backward)
    torch.library.register_autograd(op.torch_name, gradients, setup_context=save_inputs)


@contextmanager
def unsupported_is_no_bug() -> Iterator[None]:
    """Around a call of an operator.

    Raises:
        EnvironmentProblem: the kernel says that this machine cannot run the call.
    """
    try:
        yield
    except RuntimeError as error:
        if _UNSUPPORTED in str(error):
            raise EnvironmentProblem(str(error)) from error
        raise


@cache
def load_library() -> None:
    """Load libvmamba_torch.so, built on first use: then the operators have their kernels.

    `VMAMBA_NATIVE_DIR` names a folder of prebuilt libraries to take instead.

    Raises:
        EnvironmentProblem: it cannot be found, built or loaded.
    """
    from vmamba_deploy import native
    from vmamba_deploy.ops.registry import OPS

    for op in OPS.values():
        op.register_torch()  # the library brings kernels for all of them: none can be defined later
    try:
        path = native.library_path(LIBRARY)
    except BuildError as error:
        raise EnvironmentProblem(
            f"lib{LIBRARY}.so cannot be had: {error.message}", hint="make native"
        ) from error
    native.check_loadable(path)
    try:
        torch.ops.load_library(path)  # type: ignore[no-untyped-call]
    except OSError as error:
        raise EnvironmentProblem(f"{path} cannot be loaded: {error}", hint="make native") from error


def infer_output(
    op: Op, tensors: Sequence[Tensor], arguments: Sequence[Any]
) -> tuple[tuple[int, ...], int]:
    """Check a call against the op's specification; shape and ONNX code of the output.

    Raises:
        ValueError: an input of a wrong shape, dtype or device; the message names it.
    """
    codes: dict[str, int] = {"float32": FLOAT32}
    for operand, tensor in zip(op.inputs, tensors, strict=True):
        code = ONNX_CODES.get(tensor.dtype, 0)
        allowed = _allowed(op, operand.dtype, codes)
        if code not in allowed:
            raise ValueError(f"{operand.name} is {_name(tensor.dtype)}, expected {_names(allowed)}")
        codes.setdefault(operand.dtype, code)
        if tensor.device != tensors[0].device:
            raise ValueError(
                f"{operand.name} is on {tensor.device}, expected {tensors[0].device}, "
                f"where {op.inputs[0].name} is"
            )
    for attribute, value in zip(op.arguments, arguments, strict=True):
        if attribute.dtype_of is None:
            continue
        allowed = _allowed(op, attribute.dtype_of, codes)
        if value not in allowed:
            texts = " or ".join(f"{code} ({DTYPE_NAMES[code]})" for code in allowed)
            raise ValueError(f"{attribute.name} is {value}, expected {texts}")
        codes[attribute.dtype_of] = value
    sizes = op.read_sizes([tensor.shape for tensor in tensors], arguments)
    (output,) = op.outputs
    return op.shape_of(output, sizes), codes[output.dtype]


def _allowed(op: Op, dtype: str, known: dict[str, int]) -> tuple[int, ...]:
    if dtype in known:
        return (known[dtype],)
    codes = (known[each] if isinstance(each, str) else each for each in op.type_variables[dtype])
    return tuple(dict.fromkeys(codes))


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _names(codes: Sequence[int]) -> str:
    *most, last = (DTYPE_NAMES[code] for code in codes)
    return f"{', '.join(most)} or {last}" if most else last
