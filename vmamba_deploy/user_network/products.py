"""Half precision in a network that nobody wrote for it: its products, and nothing else.

The rule is that of automatic mixed precision, so it needs no knowledge of the network. A matrix
product or a convolution rounds its operands to the precision and gives its result in it. What adds
up many numbers or divides by their spread - a normalisation, a softmax, a sum - gets float32. All
else computes in what arrives, and where the two meet in float32: a residual stream that is float32
stays so. Our operators get float32 weights; their state is float32 in any case.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from vmamba_deploy.ops.op import FLOAT32
from vmamba_deploy.ops.registry import OPS

PRODUCTS: frozenset[Any] = frozenset(
    {
        *(F.linear, F.bilinear),
        *(torch.conv1d, torch.conv2d, torch.conv3d, F.conv1d, F.conv2d, F.conv3d),
        *(torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d),
        *(F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d),
        *(torch.matmul, torch.mm, torch.bmm, torch.addmm, torch.baddbmm, torch.einsum),
        *(Tensor.matmul, Tensor.mm, Tensor.bmm, Tensor.__matmul__, Tensor.__rmatmul__),
        *(Tensor.addmm, Tensor.baddbmm, torch.functional.einsum),
        F.scaled_dot_product_attention,
    }
)
"""What rounds its operands."""

_SUMS: frozenset[Any] = frozenset(
    {
        *(F.layer_norm, F.group_norm, F.batch_norm, F.instance_norm, F.rms_norm, F.normalize),
        *(F.softmax, F.log_softmax, F.softmin, torch.softmax, torch.log_softmax),
        *(Tensor.softmax, Tensor.log_softmax, F.cosine_similarity),
        *(torch.exp, Tensor.exp, torch.log, Tensor.log, torch.pow, Tensor.pow, Tensor.__pow__),
        *(torch.rsqrt, Tensor.rsqrt, torch.square, Tensor.square, F.softplus),
        *(torch.sum, Tensor.sum, torch.mean, Tensor.mean, torch.var, Tensor.var),
        *(torch.std, Tensor.std, torch.norm, Tensor.norm, torch.linalg.vector_norm),
        *(torch.cumsum, Tensor.cumsum, torch.prod, Tensor.prod, torch.cumprod, Tensor.cumprod),
        *(F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d),
        *(F.interpolate, F.grid_sample, torch.logsumexp, Tensor.logsumexp),
        # Whole networks in a function: what is inside is not seen from here.
        F.multi_head_attention_forward,
    }
)
"""What gets float32."""


class HalfProducts(TorchFunctionMode):
    """Inside, PyTorch computes by the rule of this module.

    Args:
        dtype: float16 or bfloat16.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self._dtype = dtype
        self._ops = _our_functions()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Bring the operands to what the function computes in."""
        named = dict(kwargs or {})
        if func in PRODUCTS:
            return self._product(func, args, named)
        if func in _SUMS:
            return func(*_cast(args, torch.float32), **_cast(named, torch.float32))
        if func in self._ops:
            return func(*self._op_arguments(func, args), **named)
        return func(*args, **named)

    def _product(
        self, func: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any]
    ) -> Any:
        rounded, rounded_named = _cast(args, self._dtype), _cast(named, self._dtype)
        if torch.compiler.is_compiling() or _on_gpu(args):
            return func(*rounded, **rounded_named)
        # Most CPUs have no half precision arithmetic. Products of rounded numbers, added up in
        # float32 and rounded once, are what tensor cores compute.
        wide = func(*_cast(rounded, torch.float32), **_cast(rounded_named, torch.float32))
        return wide.to(self._dtype)

    def _op_arguments(self, func: Callable[..., Any], args: tuple[Any, ...]) -> list[Any]:
        """One dtype for the operands that share one, the widest, and float32 for the weights."""
        op = self._ops[func]
        count, values = len(op.inputs), list(args)
        varied = [i for i in range(count) if op.inputs[i].dtype != "float32"]
        dtypes = {values[i].dtype for i in varied}
        if len(dtypes) > 1:
            for i in varied:
                values[i] = values[i].float()
            for place, attribute in enumerate(op.arguments, start=count):
                if attribute.dtype_of is not None:
                    values[place] = FLOAT32
        for i in set(range(count)) - set(varied):
            values[i] = values[i].float()
        return values


def _our_functions() -> dict[Any, Any]:
    """Our ops by each thing that a caller may call."""
    found = {}
    for op in OPS.values():
        op.register_torch()
        packet = operator.attrgetter(op.torch_name.replace("::", "."))(torch.ops)
        found[packet] = found[packet.default] = op
    return found


def _cast(values: Any, dtype: torch.dtype) -> Any:
    """The same with its floating-point tensors in a dtype."""
    if isinstance(values, Tensor):
        return values.to(dtype) if values.is_floating_point() and values.dtype != dtype else values
    if isinstance(values, Mapping):
        return {name: _cast(value, dtype) for name, value in values.items()}
    if type(values) in (tuple, list):
        return type(values)(_cast(value, dtype) for value in values)
    return values


def _on_gpu(args: Iterable[Any]) -> bool:
    return any(isinstance(each, Tensor) and each.is_cuda for each in args)


def _holds_a_tensor(result: Any) -> bool:
    parts = result if isinstance(result, tuple | list) else (result,)
    return any(isinstance(part, Tensor) for part in parts)


class WeightsOfProducts(TorchFunctionMode):
    """Notes which parameters of a network enter products and nothing else.

    Those can be stored in the precision: whoever reads them would round them to it.

    Args:
        module: whose parameters are watched.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self._names = {id(each): name for name, each in module.named_parameters()}
        self._rounded: set[str] = set()
        self._exact: set[str] = set()

    @property
    def names(self) -> frozenset[str]:
        """Of the parameters, after the network has run."""
        return frozenset(self._rounded - self._exact)

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Note the parameters among the arguments."""
        named = dict(kwargs or {})
        result = func(*args, **named)
        if func not in PRODUCTS and not _holds_a_tensor(result):
            return result  # a question about the parameter: its shape, its dtype
        seen = self._rounded if func in PRODUCTS else self._exact
        for value in (*args, *named.values()):
            for each in value if type(value) in (tuple, list) else (value,):
                if id(each) in self._names:
                    seen.add(self._names[id(each)])
        return result
