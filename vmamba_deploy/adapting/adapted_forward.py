"""What stands in the place of a module's `forward`, and how it gets there."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from types import CodeType
from typing import Any

import torch
from torch import Tensor, nn

from vmamba_deploy.adapting.mode import Mode, mode, scans_by_op
from vmamba_deploy.adapting.op_scan import Parameters
from vmamba_deploy.adapting.shimming import compiled_entry_points
from vmamba_deploy.errors import UsageError

_FROZEN = ("frozen_dt_weight", "frozen_dt_bias", "frozen_a", "frozen_d")


class AdaptedForward:
    """Called in the place of `module.forward`; inside `unadapted()` it is the module's own.

    It lies in the module's `__dict__`, so that `copy.deepcopy` of the network copies it, too.

    Attributes:
        module: whose forward it is.
        own: what lay there: some dialects choose among several methods when they are built; None
            where the class has the only one.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module, self.own = module, module.__dict__.get("forward")
        # Exporters read the names of a network's inputs there.
        self.__signature__ = inspect.signature(self._own)

    @property
    def __code__(self) -> CodeType:
        """Where torch.export says that the network was traced."""
        return type(self).__call__.__code__

    @property
    def _own(self) -> Any:
        if self.own is not None:
            return self.own
        return type(self.module).forward.__get__(self.module)

    def install(self) -> None:
        """From now on the module is called through this."""
        self.module.forward = self

    def remove(self) -> None:
        """Leave the module as it was."""
        if self.own is None:
            del self.module.__dict__["forward"]
        else:
            self.module.forward = self.own

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """The adapted forward, or inside `unadapted()` the module's own."""
        if mode() is Mode.PLAIN:
            return self._own(*arguments, **named)
        return self.adapted(*arguments, **named)

    def adapted(self, *arguments: Any, **named: Any) -> Any:
        """What is computed instead: here the same, with our operator behind the scan functions."""
        with compiled_entry_points(), scans_by_op():
            return self._own(*arguments, **named)


class FusedForward(AdaptedForward, ABC):
    """An adapted forward that knows the whole module."""

    frozen = False

    def adapted(self, *arguments: Any, **named: Any) -> Any:
        """Compute of the one tensor that these modules take, by position or by its name.

        Raises:
            UsageError: other arguments as well, which the verification did not see.
        """
        given = self.__signature__.bind(*arguments, **named).arguments
        (_, x), *others = given.items()
        passed = [name for name, value in others if value is not None and value is not False]
        if passed:
            raise UsageError(
                f"{type(self.module).__name__} was adapted as a module of one tensor; it is called "
                f"with {', '.join(passed)} as well",
                hint="call it with the tensor alone",
            )
        return self.compute(x)

    @abstractmethod
    def compute(self, x: Tensor) -> Tensor:
        """The result."""

    @abstractmethod
    def parameters_of_scan(self) -> Parameters:
        """dt_weight [K,R,D], dt_bias [K,D], a [K,N,D], d [K,D] from the module's parameters."""

    def scan_parameters(self) -> Parameters:
        """As `parameters_of_scan`; once frozen, the buffers."""
        if not self.frozen:
            return self.parameters_of_scan()
        dt_weight, dt_bias, a, d = (self.module.get_buffer(name) for name in _FROZEN)
        return dt_weight, dt_bias, a, d

    def freeze(self) -> None:
        """Keep the op's inputs as buffers, so that a traced graph has them as constants."""
        self.frozen = False
        with torch.no_grad():
            parts = [part.detach().clone() for part in self.parameters_of_scan()]
        for name, part in zip(_FROZEN, parts, strict=True):
            self.module.register_buffer(name, part, persistent=False)
        self.frozen = True


def adapted_forward(module: nn.Module) -> AdaptedForward | None:
    """What stands in the place of a module's forward; None where it has its own."""
    forward = module.__dict__.get("forward")
    return forward if isinstance(forward, AdaptedForward) else None
