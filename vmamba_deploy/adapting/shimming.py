"""Making the packages importable that public networks need and that exist with CUDA alone."""

from __future__ import annotations

import importlib.util
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import FunctionType, ModuleType
from typing import Any

from vmamba_deploy.adapting.mode import Mode, mode
from vmamba_deploy.adapting.stand_ins.modules import CONTENTS, make, top_level

# Files of machine code: they may be installed and still not load, without CUDA's libraries.
_COMPILED = ("causal_conv1d_cuda", "selective_scan_cuda")

_lock = threading.RLock()
_users = 0
_placed: dict[str, ModuleType] = {}
# Of those, the names that were None in `sys.modules`: somebody forbids to import them.
_blocked: list[str] = []


@contextmanager
def shims() -> Iterator[None]:
    """Inside, `mamba_ssm`, `causal_conv1d`, `selective_scan*` and `triton` can be imported.

    What is installed stays; its compiled modules take tensors on the CPU as well. Of the others
    there are stand-ins whose scans, convolutions, norms and `Mamba` are plain differentiable
    PyTorch, on any device; in a network that `adapt` took, our operator does the scans. A name that
    means nothing without CUDA raises `UsageError` when it is called. On leaving, `sys.modules` is
    as before; code that was imported keeps what it has.
    """
    _enter()
    try:
        with compiled_entry_points():
            yield
    finally:
        _leave()


def _enter() -> None:
    global _users
    with _lock:
        _users += 1
        if _users == 1:
            _remember_what_torch_has()
            for top in absent_modules():
                _placed.update(make(top))
            _blocked.extend(name for name in _placed if name in sys.modules)
            for name, module in _placed.items():
                module.__spec__ = ModuleSpec(name, loader=None, is_package=True)
            sys.modules.update(_placed)


def _leave() -> None:
    global _users
    with _lock:
        _users -= 1
        if _users == 0:
            for name, module in _placed.items():
                if sys.modules.get(name) is module:
                    del sys.modules[name]
            sys.modules.update(dict.fromkeys(_blocked))  # type: ignore[arg-type]
            _placed.clear()
            _blocked.clear()


def absent_modules() -> list[str]:
    """The top-level modules that this machine has not, or cannot load."""
    return [name for name in top_level() if not _is_here(name)]


def _is_here(name: str) -> bool:
    if sys.modules.get(name) is not None:
        return True
    if importlib.util.find_spec(name) is None:
        return False
    return not name.startswith(_COMPILED) or _loads(name)


def _loads(name: str) -> bool:
    try:
        import_module(name)
    except ImportError:
        return False
    return True


@cache
def _remember_what_torch_has() -> None:
    """PyTorch asks once whether there is a triton, and must not see ours."""
    from torch.utils import _triton

    _triton.has_triton_package()


@contextmanager
def compiled_entry_points() -> Iterator[None]:
    """Inside, the compiled modules that are installed also serve the CPU and adapted networks.

    The public packages call them alone, whatever their functions are named.
    """
    ours = {
        (name, function): value
        for name, contents in CONTENTS.items()
        if name.startswith(_COMPILED)
        for function, value in contents.items()
    }
    replaced: list[tuple[ModuleType, str, Any]] = []
    for (name, function), value in ours.items():
        module = sys.modules.get(name)
        real = getattr(module, function, None)
        if module is not None and real is not None and not isinstance(real, _Routed | FunctionType):
            replaced.append((module, function, real))
            setattr(module, function, _Routed(real, value))
    try:
        yield
    finally:
        for module, function, real in replaced:
            setattr(module, function, real)


class _Routed:
    """A function of a compiled module: its own for tensors on a GPU in a network as it is."""

    def __init__(self, real: Callable[..., Any], ours: Callable[..., Any]) -> None:
        self._real, self._ours = real, ours

    def __call__(self, *arguments: Any) -> Any:
        plain_gpu = arguments[0].is_cuda and mode() is not Mode.OP
        return (self._real if plain_gpu else self._ours)(*arguments)
