"""VMamba vision models in production: ONNX, TensorRT and parity against PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = [
    "ExportOutcome",
    "__version__",
    "adapt",
    "create_model",
    "export",
    "load_model",
    "shims",
]

if TYPE_CHECKING:
    from vmamba_deploy.adapting import adapt, shims
    from vmamba_deploy.models import create_model, load_model
    from vmamba_deploy.pipeline.export import ExportOutcome
    from vmamba_deploy.pipeline.export_module import export

# torch takes seconds to import; a command that needs no model must not pay for it.
_LAZY = {
    "ExportOutcome": "pipeline.export",
    "adapt": "adapting",
    "create_model": "models",
    "export": "pipeline.export_module",
    "load_model": "models",
    "shims": "adapting",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
