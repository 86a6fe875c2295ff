"""The optional parts of this package: which extra of `pip install` brings a module."""

from __future__ import annotations

from importlib.util import find_spec

from vmamba_deploy.errors import EnvironmentProblem

MODULES = {
    "onnxruntime": "inference",
    "cuda": "inference",
    "jinja2": "evaluate",
    "markupsafe": "evaluate",
    "matplotlib": "evaluate",
    "onnx": "export",
    "onnx_ir": "export",
    "onnxscript": "export",
    "polygraphy": "export",
    "safetensors": "export",
    "torch": "export",
    "ray": "ray",
}
"""Top-level modules by the smallest extra that has them."""


def missing_module(name: str | None) -> EnvironmentProblem | None:
    """What to tell a user whose machine lacks a module; None when no extra has it."""
    module = (name or "").partition(".")[0]
    extra = MODULES.get(module)
    if extra is None:
        return None
    return EnvironmentProblem(
        f"this needs the Python module {module}, which is not installed",
        hint=f"pip install 'vmamba-deploy[{extra}]'",
    )


def require_modules(*names: str) -> None:
    """Refuse before long work what would fail at its end.

    Args:
        names: of `MODULES`.

    Raises:
        EnvironmentProblem: one is not installed.
    """
    for name in names:
        if find_spec(name) is None:
            problem = missing_module(name)
            assert problem is not None, f"{name} is in no extra"
            raise problem
