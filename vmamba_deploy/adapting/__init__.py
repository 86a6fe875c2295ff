"""Networks of others: their scans found, and computed by our operators (docs/adapt.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vmamba_deploy.adapting.adaptation import adapt, freeze
    from vmamba_deploy.adapting.mode import unadapted
    from vmamba_deploy.adapting.report import AdaptReport, Replaced, Unknown
    from vmamba_deploy.adapting.shimming import shims

# Their modules import torch, which takes seconds.
_LAZY = {
    "AdaptReport": "report",
    "Replaced": "report",
    "Unknown": "report",
    "adapt": "adaptation",
    "freeze": "adaptation",
    "shims": "shimming",
    "unadapted": "mode",
}

__all__ = ["AdaptReport", "Replaced", "Unknown", "adapt", "freeze", "shims", "unadapted"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
