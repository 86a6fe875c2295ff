"""The calls of our ops in a network: noted while it runs once, or made by the ops' references."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from vmamba_deploy.models.family import OpCalls
from vmamba_deploy.ops.op import Op
from vmamba_deploy.ops.registry import OPS
from vmamba_deploy.ops.torch_registration import REFERENCES


@contextmanager
def running_modules(network: nn.Module) -> Iterator[list[str]]:
    """Inside, the paths of the modules that run at the moment, each behind what it is part of."""
    running: list[str] = []

    def begins(path: str) -> Any:
        return lambda _module, _given: running.append(path)

    def ends(_module: nn.Module, _given: Any, _output: Any) -> None:
        running.pop()

    with ExitStack() as hooks:
        for path, part in network.named_modules():
            hooks.callback(part.register_forward_pre_hook(begins(path)).remove)
            hooks.callback(part.register_forward_hook(ends, always_call=True).remove)
        yield running


def _called(func: Any) -> Op | None:
    """The op of ours that PyTorch dispatches."""
    name = func._schema.name if hasattr(func, "_schema") else None
    return next((op for op in OPS.values() if op.torch_name == name), None)


class OpRecorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Inside, notes every call of an op of ours.

    Args:
        running: the paths of the modules that run, as `running_modules` gives them.

    Attributes:
        modules: paths of the modules that called one, each behind those that it is part of.
    """

    def __init__(self, running: Sequence[str] = ()) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._running = running
        self._counts: Counter[tuple[str, str]] = Counter()
        self._sizes: dict[tuple[str, str], dict[str, int]] = {}
        self.modules: dict[str, None] = {}

    @property
    def calls(self) -> tuple[OpCalls, ...]:
        """Of each op, how often it was called and the sizes that were the same every time."""
        return tuple(OpCalls(op, count, self._sizes[op]) for op, count in self._counts.items())

    def __torch_dispatch__(
        self,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Note the call, and make it."""
        op = _called(func)
        if op is not None:
            self._counts[op.key] += 1
            sizes = weight_sizes(op, args)
            known = self._sizes.setdefault(op.key, sizes)
            self._sizes[op.key] = {k: v for k, v in known.items() if sizes.get(k) == v}
            self.modules.update(dict.fromkeys(self._running))
        return func(*args, **(kwargs or {}))


class ReferenceScans(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Inside, a call of an op of ours runs its reference: no kernel of ours computes anything."""

    def __torch_dispatch__(
        self,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """The reference of an op of ours; whatever else as it is."""
        op = _called(func)
        chosen = func if op is None else REFERENCES[op.torch_name]
        return chosen(*args, **(kwargs or {}))


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
