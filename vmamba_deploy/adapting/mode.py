"""Which implementation stands behind a scan at the moment: plain PyTorch, or our operator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum


class Mode(Enum):
    """What computes the scans of the code that runs."""

    PLAIN = "plain"
    """Plain PyTorch, and every adapted module by its own forward: the unadapted network."""
    DEFAULT = "default"
    """Plain PyTorch; adapted modules by their adapted forward."""
    OP = "op"
    """Our operator, also behind the functions that a module calls."""


_MODE: ContextVar[Mode] = ContextVar("vmamba_deploy_scan_mode", default=Mode.DEFAULT)


def mode() -> Mode:
    """Of the code that runs."""
    return _MODE.get()


@contextmanager
def unadapted() -> Iterator[None]:
    """Inside, adapted modules compute as their authors wrote them, on a plain reference scan.

    It is what an adapted network is compared with.
    """
    token = _MODE.set(Mode.PLAIN)
    try:
        yield
    finally:
        _MODE.reset(token)


@contextmanager
def scans_by_op() -> Iterator[None]:
    """Inside, the functions of `stand_ins` call our operator, unless `unadapted` is around it."""
    token = _MODE.set(Mode.PLAIN if mode() is Mode.PLAIN else Mode.OP)
    try:
        yield
    finally:
        _MODE.reset(token)
