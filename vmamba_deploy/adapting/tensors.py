"""Reading a module's tensors by their names."""

from __future__ import annotations

from operator import attrgetter

from torch import Tensor, nn


def tensor_of(module: nn.Module, name: str) -> Tensor:
    """The parameter or buffer `a.b.c`; also where a tracer has put a plain tensor in its place.

    Raises:
        AttributeError: there is none.
    """
    value = attrgetter(name)(module)
    if not isinstance(value, Tensor):
        raise AttributeError(f"{name} of {type(module).__name__} is not a tensor")
    return value
