"""What a checkpoint file holds, once read and unwrapped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class CheckpointContents:
    """Tensors by the name that the file gives them, and class labels where the file has them."""

    tensors: Mapping[str, Tensor]
    class_labels: tuple[str, ...] | None = None


def as_class_labels(value: object) -> tuple[str, ...] | None:
    """Return value as labels if it is a list or tuple of strings, or numbers mapped to strings."""
    if isinstance(value, Mapping):
        try:
            value = [value[key] for key in sorted(value, key=int)]
        except (TypeError, ValueError):
            return None
    if isinstance(value, list | tuple) and value and all(isinstance(v, str) for v in value):
        return tuple(value)
    return None


def printable(text: str) -> str:
    """Return text that comes from a file, safe to print: no control or terminal sequences."""
    return text if text.isprintable() else ascii(text)
