"""VMamba networks: presets, layers, weights and precision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vmamba_deploy.models.vmamba.config import DownsampleKind, StemKind, VMambaConfig
from vmamba_deploy.models.vmamba.presets import ALIASES, PRESETS, Preset, resolve_preset
from vmamba_deploy.preprocessing.specification import IMAGENET_PREPROCESSING, Preprocessing

if TYPE_CHECKING:
    from vmamba_deploy.models.checkpoints.loading import LoadedModel, load_model, load_weights
    from vmamba_deploy.models.vmamba.creation import create_model
    from vmamba_deploy.models.vmamba.network import VMamba, freeze_scan_parameters, set_scan_backend
    from vmamba_deploy.models.vmamba.precision import convert_precision

# Names whose modules import torch, which takes seconds: the presets must not pay for it.
_LAZY = {
    "LoadedModel": "checkpoints.loading",
    "VMamba": "vmamba.network",
    "convert_precision": "vmamba.precision",
    "create_model": "vmamba.creation",
    "freeze_scan_parameters": "vmamba.network",
    "load_model": "checkpoints.loading",
    "load_weights": "checkpoints.loading",
    "set_scan_backend": "vmamba.network",
}

__all__ = [
    "ALIASES",
    "IMAGENET_PREPROCESSING",
    "PRESETS",
    "DownsampleKind",
    "LoadedModel",
    "Preprocessing",
    "Preset",
    "StemKind",
    "VMamba",
    "VMambaConfig",
    "convert_precision",
    "create_model",
    "freeze_scan_parameters",
    "load_model",
    "load_weights",
    "resolve_preset",
    "set_scan_backend",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
