"""Networks: families, presets, checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vmamba_deploy.models.families import FAMILIES, family_of, resolve_preset
from vmamba_deploy.models.family import Family, OpCalls, Preset

if TYPE_CHECKING:
    from vmamba_deploy.models.loading import LoadedModel, create_model, load_model, load_weights
    from vmamba_deploy.models.network import Network

# Names whose modules import torch, which takes seconds: the presets must not pay for it.
_LAZY = {
    "LoadedModel": "loading",
    "Network": "network",
    "create_model": "loading",
    "load_model": "loading",
    "load_weights": "loading",
}

__all__ = [
    "FAMILIES",
    "Family",
    "LoadedModel",
    "Network",
    "OpCalls",
    "Preset",
    "create_model",
    "family_of",
    "load_model",
    "load_weights",
    "resolve_preset",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
