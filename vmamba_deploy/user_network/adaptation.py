"""The way to `adapt`, and around the user's code."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


@contextlib.contextmanager
def shimmed() -> Iterator[None]:
    """Inside, what public code imports and needs CUDA for can be imported."""
    yield


@contextlib.contextmanager
def as_written() -> Iterator[None]:
    """Inside, a network computes as its authors wrote it."""
    yield


def adapted(module: nn.Module) -> tuple[str, ...]:
    """Adapt in place; what was not known, a sentence each."""
    return ()
