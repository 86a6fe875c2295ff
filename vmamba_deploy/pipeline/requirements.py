"""What a run needs installed, asked before anything heavy is imported: one message, one command."""

from __future__ import annotations

from vmamba_deploy.extras import missing_of, require_modules
from vmamba_deploy.runtimes.tensorrt.flavour import FLAVOURS
from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan

_EXPORT = ("torch", "onnx", "onnx_ir", "onnxscript", "safetensors", "jinja2", "matplotlib")


def require_for_export(engine: EnginePlan | None) -> None:
    """Refuse to begin an export, or the build of an engine, without the modules that it needs.

    Where TensorRT alone is missing nothing is said here: `check_feasible` also knows which GPU it
    is for.

    Args:
        engine: that is to be built; None: none is.

    Raises:
        EnvironmentProblem: names all that is missing, and the command that brings it.
    """
    missing = missing_of(*_EXPORT)
    if missing:
        require_modules(*missing, *(_tensorrt(engine) if engine is not None else ()))


def _tensorrt(engine: EnginePlan) -> tuple[str, ...]:
    if engine.flavour == "auto" and any(flavour.installed for flavour in FLAVOURS.values()):
        return ()
    return ("tensorrt" if engine.flavour == "tensorrt" else "tensorrt_rtx",)
