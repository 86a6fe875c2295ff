"""What a checkpoint file holds: finding the weights and the labels in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from vmamba_deploy.errors import InputFileError, printable
from vmamba_deploy.models.checkpoints.stored import StoredTensor
from vmamba_deploy.models.families import FAMILIES

# In this order: where a file has both, `model` is the one with the published accuracy.
WEIGHT_KEYS = ("model", "state_dict", "model_ema", "state_dict_ema")
WRAPPERS = ("module.", "_orig_mod.")
BACKBONE_PREFIX = "backbone."


@dataclass(frozen=True)
class CheckpointContents:
    """Tensors by the name that the file gives them, and class labels where the file has them."""

    stored: Mapping[str, StoredTensor]
    class_labels: tuple[str, ...] | None = None

    @property
    def shapes(self) -> dict[str, Tensor]:
        """The tensors on the meta device: what the network is, is told before a number is read."""
        return {name: stored.meta for name, stored in self.stored.items()}

    def read(self) -> dict[str, Tensor]:
        """The tensors with their numbers; see `StoredTensor.read`."""
        return {name: stored.read() for name, stored in self.stored.items()}


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


def unwrap(loaded: object, path: Path) -> CheckpointContents:
    """Find the weights in a loaded checkpoint: under one of `WEIGHT_KEYS`, or the dict itself.

    Raises:
        InputFileError: nothing in it is a dict of tensors.
    """
    if isinstance(loaded, Mapping):
        for key in WEIGHT_KEYS:
            tensors = _tensors_of(loaded.get(key))
            if tensors:
                return CheckpointContents(without_wrappers(tensors), _labels_of(loaded))
        tensors = _tensors_of(loaded)
        if tensors:
            return CheckpointContents(without_wrappers(tensors), _labels_of(loaded))
    found = printable(", ".join(map(str, list(loaded)[:8]))) if isinstance(loaded, Mapping) else ""
    raise InputFileError(
        f"{path} holds no weights: expected a dict of tensors, bare or under one of "
        f"{', '.join(WEIGHT_KEYS)}; found {found or type(loaded).__name__}."
    )


def without_wrappers(tensors: Mapping[str, StoredTensor]) -> dict[str, StoredTensor]:
    """Drop the prefixes of data-parallel, compiled and detector wrappers from the names.

    Of a detector only the backbone is kept.
    """
    unwrapped = dict(tensors)
    for _ in range(len(WRAPPERS) + 1):
        for prefix in WRAPPERS:
            if all(name.startswith(prefix) for name in unwrapped):
                unwrapped = {name[len(prefix) :]: value for name, value in unwrapped.items()}
    if any(name.startswith(BACKBONE_PREFIX) for name in unwrapped):
        return {
            name.removeprefix(BACKBONE_PREFIX): value
            for name, value in unwrapped.items()
            if name.startswith(BACKBONE_PREFIX)
            or any(family.own_names.match(name) for family in FAMILIES.values())
        }
    return unwrapped


def _tensors_of(value: object) -> dict[str, StoredTensor]:
    if not isinstance(value, Mapping):
        return {}
    return {
        name: tensor
        for name, tensor in value.items()
        if isinstance(name, str) and isinstance(tensor, StoredTensor)
    }


def _labels_of(checkpoint: Mapping[object, object]) -> tuple[str, ...] | None:
    for key in ("class_labels", "id2label"):
        labels = as_class_labels(checkpoint.get(key))
        if labels:
            return labels
    return None
