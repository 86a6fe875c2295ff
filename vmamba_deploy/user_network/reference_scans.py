"""Our ops by their references in plain PyTorch: what a network's own results are compared with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

from vmamba_deploy.ops.registry import OPS
from vmamba_deploy.ops.torch_registration import REFERENCES


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
        name = func._schema.name if hasattr(func, "_schema") else ""
        if name in {op.torch_name for op in OPS.values()}:
            return REFERENCES[name](*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))
