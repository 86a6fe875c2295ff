"""VMamba vision models in production: ONNX, TensorRT and parity against PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["__version__", "create_model", "load_model"]

if TYPE_CHECKING:
    from vmamba_deploy.models import create_model, load_model


def __getattr__(name: str) -> Any:
    # torch takes seconds to import; a command that needs no model must not pay for it.
    if name in {"create_model", "load_model"}:
        from vmamba_deploy import models

        return getattr(models, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
