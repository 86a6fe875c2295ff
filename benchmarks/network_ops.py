"""Every tensor operation of a forward pass, with what it computes and moves; timed on a GPU.

The operations are caught as PyTorch dispatches them, so the list is the network's own and not a
second description of it. On the meta device nothing is computed: sizes alone pass through.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from vmamba_deploy.ops.selective_scan_2d.specification import ROUTES
from vmamba_deploy.user_network.our_calls import running_modules

PRODUCT, CONVOLUTION, DEPTHWISE, SCAN = "product", "convolution", "depthwise", "scan"
NORM, ELEMENTWISE = "norm", "elementwise"
KINDS = (PRODUCT, CONVOLUTION, DEPTHWISE, SCAN, NORM, ELEMENTWISE)

_PRODUCTS = {"aten::mm": 0, "aten::bmm": 0, "aten::addmm": 1}  # where the left factor stands
_NORMS = {"aten::native_layer_norm", "aten::_fused_rms_norm"}
_ACTIVATIONS = {"aten::gelu": 1, "aten::silu": 1, "aten::silu_": 1}  # special functions per value
_FREE = {"aten::_unsafe_view", "aten::empty", "aten::empty_like", "aten::detach"}
_SCAN_2D, _SCAN = "vmamba::selective_scan_2d", "vmamba::selective_scan"


@dataclass(frozen=True)
class OpRecord:
    """One operation.

    Attributes:
        layer: the module it ran in, as the state dict names it.
        name: such as `aten::mm`.
        kind: one of KINDS.
        flops: of products and convolutions, two per multiply-add; of a scan those of its dt
            projection, which is a product too; else 0.
        scan_steps: state updates of a scan: routes x pixels x channels x states; else 0.
        special_functions: exponentials, logarithms and reciprocals.
        moved_bytes: of every input and every result, once.
        time_ms: measured; None where nothing was.
    """

    layer: str
    name: str
    kind: str
    flops: int
    scan_steps: int
    special_functions: int
    moved_bytes: int
    time_ms: float | None = None


def record_operations(
    model: nn.Module, pixel_values: Tensor, *, timed: bool = False
) -> list[OpRecord]:
    """The operations of one forward pass in their order; `timed` needs a GPU."""
    with torch.no_grad(), running_modules(model) as running:
        recorder = _Recorder(running, timed=timed)
        if timed:
            # The GPU waits while the CPU queues the pass, so no time of launching is measured.
            torch.cuda._sleep(2**28)
        with recorder:
            model(pixel_values)
    return recorder.finished()


class _Recorder(TorchDispatchMode):
    def __init__(self, running: list[str], *, timed: bool) -> None:
        super().__init__()
        self._timed, self._running = timed, running
        self._records: list[OpRecord] = []
        self._events: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []

    def finished(self) -> list[OpRecord]:
        """The records, with their times where they were taken."""
        if not self._timed:
            return self._records
        torch.cuda.synchronize()
        return [
            replace(record, time_ms=begin.elapsed_time(end))
            for record, (begin, end) in zip(self._records, self._events, strict=True)
        ]

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if _moves_nothing(func):
            return func(*args, **(kwargs or {}))
        if self._timed:
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
        result = func(*args, **(kwargs or {}))
        if self._timed:
            end.record()
            self._events.append((begin, end))
        if func._schema.name == "aten::convolution":
            result = _in_the_layout_of_a_gpu(result, args[0], args[1])
        self._records.append(_describe(self._running[-1], func, args, result))
        return result


def _in_the_layout_of_a_gpu(result: Tensor, image: Tensor, weight: Tensor) -> Tensor:
    """A convolution's result on the meta device, which forgets that a GPU keeps channels last."""
    last = torch.channels_last
    if not result.is_meta or not (image.is_contiguous(memory_format=last) or _is_last(weight)):
        return result
    return result.contiguous(memory_format=last)


def _is_last(weight: Tensor) -> bool:
    """Whether a weight is channels last and nothing else: with one channel it is both."""
    last = weight.is_contiguous(memory_format=torch.channels_last)
    return last and not weight.is_contiguous()


def _moves_nothing(func: Any) -> bool:
    """Whether the operation only looks at its input in another way."""
    returns = func._schema.returns
    views = any(value.alias_info is not None for value in returns) and not func._schema.is_mutable
    return views or func._schema.name in _FREE


def _describe(layer: str, func: Any, args: tuple[Any, ...], result: Any) -> OpRecord:
    name = func._schema.name
    tensors = [leaf for leaf in tree_leaves((args, result)) if isinstance(leaf, Tensor)]
    record = OpRecord(
        layer, name, ELEMENTWISE, 0, 0, 0, moved_bytes=sum(tensor.nbytes for tensor in tensors)
    )
    if name in _PRODUCTS:
        left, right = args[_PRODUCTS[name] :][:2]
        return replace(record, kind=PRODUCT, flops=2 * left.numel() * right.shape[-1])
    if name == "aten::convolution":
        weight, groups = args[1], args[8]
        kind = DEPTHWISE if groups == weight.shape[0] and groups > 1 else CONVOLUTION
        return replace(record, kind=kind, flops=2 * result.numel() * weight[0].numel())
    if name in (_SCAN_2D, _SCAN):
        x, states = args[0], args[4].shape[1]
        routes = ROUTES if name == _SCAN_2D else len(args[6])
        # Where each route has an x of its own, x has the steps of all.
        steps = x.numel() if x.ndim == 5 else routes * x.numel()
        return replace(
            record,
            kind=SCAN,
            flops=2 * steps * args[2].shape[1],
            scan_steps=steps * states,
            special_functions=steps * (1 + states),
        )
    if name in _NORMS:
        return replace(record, kind=NORM, special_functions=math.prod(args[0].shape[:-1]))
    per_value = _ACTIVATIONS.get(name, 0)
    special = per_value * args[0].numel() if per_value else 0
    return replace(record, special_functions=special)
