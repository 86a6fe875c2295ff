"""`triton` where it is not installed: files with kernels can be imported; none can be launched."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, NoReturn

from vmamba_deploy.adapting.stand_ins.absent import absent
from vmamba_deploy.errors import UsageError


class Kernel:
    """What `triton.jit` makes of a function here."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.fn, self.__name__ = function, getattr(function, "__name__", "kernel")

    def __getitem__(self, _grid: Any) -> Kernel:
        """As `kernel[grid](...)` asks."""
        return self

    def __call__(self, *_arguments: Any, **_named: Any) -> NoReturn:
        """Refuse the launch.

        Raises:
            UsageError: always.
        """
        raise UsageError(
            f"the Triton kernel {self.__name__} cannot be launched: triton is not installed",
            hint="let the network take its PyTorch path, which most have for tensors on the CPU",
        )


def jit(function: Callable[..., Any] | None = None, **_options: Any) -> Any:
    """Decorate a kernel, with options or without."""
    return Kernel if function is None else Kernel(function)


def autotune(*_arguments: Any, **_options: Any) -> Callable[[Any], Any]:
    """Decorate a kernel with nothing: it is never launched."""
    return lambda kernel: kernel


class Config:
    """A choice of launch options, kept and never used."""

    def __init__(self, kwargs: dict[str, Any], **options: Any) -> None:
        self.kwargs, self.options = kwargs, options


def cdiv(x: int, y: int) -> int:
    """x / y, rounded up."""
    return -(-x // y)


def next_power_of_2(n: int) -> int:
    """The least power of two that is no less than n."""
    return 1 << (n - 1).bit_length()


class Names(ModuleType):
    """A module of which code may ask any name: each is there, and none can be called."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        made = absent(f"{self.__name__}.{name}")
        setattr(self, name, made)
        return made
