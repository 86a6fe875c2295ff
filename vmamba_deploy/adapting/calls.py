"""Which scan functions a module's code calls, read from its classes without running it.

A name in the code of a method is looked up where Python would: in the module of the code, in what
it closes over, in the instance. Helpers of the same author are followed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import torch
from torch import nn

from vmamba_deploy.adapting.stand_ins.modules import CONTENTS, top_level

# Of what the packages have, that which scans; a norm or a decorator is no scan.
_SCANS = frozenset(
    {
        *("MambaInnerFn", "SelectiveScanFn"),
        *("bimamba_inner_fn", "mamba_inner_fn", "mamba_inner_fn_no_out_proj", "mamba_inner_ref"),
        *("selective_scan_fn", "selective_scan_ref", "fwd"),
    }
)
_NEIGHBOURS = frozenset({"causal_conv1d_fn", "causal_conv1d_fwd"})
_NAMES = {
    id(CONTENTS[module][name]): f"{module}.{name}"
    for module, name in sorted(
        ((module, name) for module, contents in CONTENTS.items() for name in contents), reverse=True
    )
    if name in _SCANS | _NEIGHBOURS
}
"""Of what has several names, such as the reference of a scan, the first by the alphabet."""
# Code that is not the author's: nothing of theirs calls a scan.
_OTHERS = frozenset({"torch", "numpy", "einops", "timm", "torchvision", *sys.stdlib_module_names})


def scan_calls(module: nn.Module) -> list[str]:
    """The names, such as `selective_scan_fn`, that the code of this module may call.

    Neighbours of a scan, such as `causal_conv1d_fn`, are named with it, and nothing without one.
    """
    found: dict[str, None] = {}
    seen: set[int] = set()
    for value in _starting_points(module):
        found.update(dict.fromkeys(_reached(value, seen)))
    scans = [name for name in found if name.rpartition(".")[2] in _SCANS]
    return [_shown(name) for name in found] if scans else []


def _shown(name: str) -> str:
    """`selective_scan_cuda_core.fwd` whole, a Python function by its own name."""
    top, _, last = name.rpartition(".")
    return name if last == "fwd" else last if top else name


def _starting_points(module: nn.Module) -> Iterator[Any]:
    for kind in type(module).__mro__:
        if kind is nn.Module:
            break
        for value in vars(kind).values():
            yield value.__func__ if isinstance(value, staticmethod | classmethod) else value
    # Some dialects keep the scan function, or the method that is their forward, in the instance.
    for name, value in vars(module).items():
        if not name.startswith("_"):
            yield value


def _reached(value: Any, seen: set[int]) -> Iterator[str]:
    """The names of the scan functions that calling `value` may reach."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if name := _name_of(value):
        yield name
    elif isinstance(value, partial):
        for part in (value.func, *value.args, *value.keywords.values()):
            yield from _reached(part, seen)
    elif isinstance(value, MethodType):
        yield from _reached(value.__func__, seen)
    elif isinstance(value, type) and issubclass(value, torch.autograd.Function):
        yield from _reached(vars(value).get("forward", None), seen)
    elif isinstance(value, staticmethod):
        yield from _reached(value.__func__, seen)
    elif isinstance(value, FunctionType) and value.__module__.partition(".")[0] not in _OTHERS:
        wrapped = getattr(value, "__wrapped__", None)
        yield from _reached(wrapped, seen)
        for used in _used_by(value):
            yield from _reached(used, seen)


def _name_of(value: Any) -> str | None:
    """The public name of a scan function or its neighbour, a stand-in's or the package's own."""
    if isinstance(value, ModuleType):
        # The code calls `selective_scan_cuda_core.fwd`, and its global is the module.
        has_fwd = "fwd" in CONTENTS.get(value.__name__, {})
        return f"{value.__name__}.fwd" if has_fwd else None
    if isinstance(value, FunctionType | type) and id(value) in _NAMES:
        return _NAMES[id(value)]
    place, name = getattr(value, "__module__", None), getattr(value, "__name__", None)
    if isinstance(place, str) and place.partition(".")[0] in top_level():
        return f"{place}.{name}" if name in _SCANS | _NEIGHBOURS else None
    return None


def _used_by(function: FunctionType) -> Iterator[Any]:
    """What the names in a function's code stand for, outside of it."""
    for name in _names_in(function.__code__):
        if name in function.__globals__:
            yield function.__globals__[name]
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not filled yet
            continue
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()


def _names_in(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)
