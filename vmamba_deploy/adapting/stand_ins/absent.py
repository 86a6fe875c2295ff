"""Names that code may import anywhere and that mean nothing without CUDA."""

from __future__ import annotations

from functools import cache
from typing import Any, NoReturn

from vmamba_deploy.errors import UsageError


@cache
def absent(name: str) -> type:
    """A class that can be imported and inherited from, and cannot be called.

    Args:
        name: where it is found, such as `mamba_ssm.modules.mamba2.Mamba2`.
    """

    def refuse(_class: type, *_arguments: Any, **_named: Any) -> NoReturn:
        raise UsageError(
            f"{name} needs the package itself and CUDA; vmamba_deploy.shims() has the name alone",
            hint="what the selective scan needs is there; take what calls this out of the forward",
        )

    return type(name.rpartition(".")[2], (), {"__new__": refuse, "__module__": __name__})
