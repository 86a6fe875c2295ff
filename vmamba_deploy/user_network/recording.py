"""Which ops of ours a network calls, with which sizes and from which modules: it is run once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from vmamba_deploy.models.family import OpCalls
from vmamba_deploy.ops.op import Op
from vmamba_deploy.ops.registry import OPS


class OpRecorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Inside, notes every call of an op of ours.

    Attributes:
        modules: paths of the modules that called one, each behind those that it is part of.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._ops = {op.torch_name: op for op in OPS.values()}
        self._counts: Counter[tuple[str, str]] = Counter()
        self._sizes: dict[tuple[str, str], dict[str, int]] = {}
        self._running: list[str] = []
        self.modules: dict[str, None] = {}

    @property
    def calls(self) -> tuple[OpCalls, ...]:
        """Of each op, how often it was called and the sizes that were the same every time."""
        return tuple(OpCalls(op, count, self._sizes[op]) for op, count in self._counts.items())

    @contextmanager
    def watching(self, module: nn.Module) -> Iterator[None]:
        """Inside, calls are noted under the modules of a network that run."""
        with ExitStack() as hooks:
            for path, part in module.named_modules():
                before = part.register_forward_pre_hook(self._begins(path))
                after = part.register_forward_hook(self._ends, always_call=True)
                hooks.callback(before.remove)
                hooks.callback(after.remove)
            yield

    def _begins(self, path: str) -> Any:
        return lambda _module, _given: self._running.append(path)

    def _ends(self, _module: nn.Module, _given: Any, _output: Any) -> None:
        self._running.pop()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Note the call, and make it."""
        op = self._ops.get(func._schema.name) if hasattr(func, "_schema") else None
        if op is not None:
            self._counts[op.key] += 1
            sizes = weight_sizes(op, args)
            known = self._sizes.setdefault(op.key, sizes)
            self._sizes[op.key] = {k: v for k, v in known.items() if sizes.get(k) == v}
            self.modules.update(dict.fromkeys(self._running))
        return func(*args, **(kwargs or {}))


def weight_sizes(op: Op, args: tuple[Any, ...]) -> dict[str, int]:
    """The sizes that stand in the weights of a call alone, and so do not change with the image."""
    tensors = [arg for arg in args[: len(op.inputs)] if isinstance(arg, Tensor)]
    sizes = op.read_sizes([each.shape for each in tensors], args[len(op.inputs) :])
    moving = [each for each in op.inputs if each.dtype != "float32"]
    changing = {axis for operand in (*moving, *op.outputs) for axis in operand.shape}
    fixed = {
        axis for operand in op.inputs if operand.dtype == "float32" for axis in operand.shape
    } - changing
    # What is derived tells the form of a call, which the image does not change either.
    return {name: size for name, size in sizes.items() if name in fixed or name in op.derived}
