"""The options of an export by their names alone, whichever of its plans they belong to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from vmamba_deploy.errors import UsageError
from vmamba_deploy.models.checkpoints.choice import WeightsChoice
from vmamba_deploy.pipeline.plan import ExportPlan
from vmamba_deploy.preprocessing.options import PreprocessingOptions
from vmamba_deploy.quantization.plan import AUTO, QuantizationPlan, auto_precision
from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan

PARTS: Mapping[str, type[Any]] = {
    "engine": EnginePlan,
    "quantization": QuantizationPlan,
    "preprocessing": PreprocessingOptions,
    "choice": WeightsChoice,
}
"""The plans within an `ExportPlan`, by its field."""


def option_names() -> tuple[str, ...]:
    """Every field of an `ExportPlan` and of the plans in it, which options are named after."""
    kinds: list[type[Any]] = [ExportPlan, *PARTS.values()]
    return tuple(field.name for kind in kinds for field in fields(kind))


def plan_of(options: Mapping[str, Any]) -> ExportPlan:
    """The plan that these options make.

    A list stands for a tuple, text for a path, a number for the sides of a square image, and the
    precision `auto` for what it does on the command line.

    Args:
        options: values by `option_names`. A plan that is given whole, such as `engine`, is changed
            by the options that are its fields.

    Raises:
        UsageError: there is no such option, or a plan does not take the value.
    """
    given = {name: _converted(name, value) for name, value in options.items()}
    for name in given:
        if name not in option_names():
            raise _unknown(name)
    if given.get("precision") == AUTO:
        given["precision"] = auto_precision(given)
    for part, kind in PARTS.items():
        own = {field.name: given.pop(field.name) for field in fields(kind) if field.name in given}
        if own:
            given[part] = replace(given.get(part, kind()), **own)
    return ExportPlan(**given)


def _unknown(name: str) -> UsageError:
    near = get_close_matches(name, option_names(), n=1)
    meant = f"; did you mean {near[0]}?" if near else ""
    return UsageError(
        f"export has no option {name!r}{meant}", hint=f"it has {', '.join(option_names())}"
    )


def _converted(name: str, value: Any) -> Any:
    if isinstance(value, list):
        value = tuple(tuple(one) if isinstance(one, list) else one for one in value)
    if value is None or name not in _CONVERSIONS:
        return value
    return _CONVERSIONS[name](value)


def _sides(value: Any) -> Any:
    return (value, value) if isinstance(value, int) else value


def _words(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


_CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {
    "weights": str,
    "output": Path,
    "image_size": _sides,
    "outputs": _words,
    "require": _words,
    "calibrate": str,
    "timing_cache": Path,
}
