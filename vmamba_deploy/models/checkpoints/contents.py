"""What a checkpoint file holds: finding the weights and the settings in it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from vmamba_deploy.errors import InputFileError, UsageError, printable
from vmamba_deploy.files import shown
from vmamba_deploy.models.checkpoints.choice import WeightsChoice
from vmamba_deploy.models.checkpoints.prefixes import (
    listed,
    preferred,
    prefixes_of,
    without_prefix,
)
from vmamba_deploy.models.checkpoints.settings import Settings, settings_of
from vmamba_deploy.models.checkpoints.stored import StoredTensor
from vmamba_deploy.models.checkpoints.unreadable import CLEAN_FILE
from vmamba_deploy.models.families import FAMILIES

# In this order: where a file has both, `model` is the one with the published accuracy.
WEIGHT_KEYS = ("model", "state_dict", "model_ema", "state_dict_ema")


@dataclass(frozen=True)
class CheckpointContents:
    """What was taken from a file, and what was not.

    Attributes:
        stored: tensors of one network, by names without prefix.
        key: under which the tensors are; empty for a file of tensors alone.
        other_keys: under which there are others like them.
        prefix: of their names in the file.
        left_out: names of the tensors beside them.
        settings: what the file says of its own training.
        unread: places of what was too large to be looked through for settings.
    """

    stored: Mapping[str, StoredTensor]
    key: str = ""
    other_keys: tuple[str, ...] = ()
    prefix: str = ""
    left_out: tuple[str, ...] = ()
    settings: tuple[Settings, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def shapes(self) -> dict[str, Tensor]:
        """The tensors on the meta device: what the network is, is told before a number is read."""
        return {name: stored.meta for name, stored in self.stored.items()}

    def read(self) -> dict[str, Tensor]:
        """The tensors with their numbers; see `StoredTensor.read`."""
        return {name: stored.read() for name, stored in self.stored.items()}


def unwrap(loaded: object, path: Path, choice: WeightsChoice | None = None) -> CheckpointContents:
    """Find the weights in a loaded checkpoint: the dict itself, or one up to two levels within.

    Raises:
        UsageError: there is nothing of the kind under the key or prefix of the choice.
        InputFileError: nothing in it is a dict of tensors, or several are equally good.
    """
    choice = choice or WeightsChoice()
    groups = _tensor_groups(loaded) if isinstance(loaded, Mapping) else {}
    if not groups:
        raise InputFileError(
            f"{shown(path)} holds no weights: expected a dict of tensors, bare or under a key such "
            f"as {', '.join(WEIGHT_KEYS)}; found {_content(loaded)}.",
            hint=CLEAN_FILE,
        )
    assert isinstance(loaded, Mapping)
    networks = _networks(groups, choice.names) or list(groups)
    key = _asked_key(groups, path, choice.key) if choice.key else _default_key(networks, path)
    found = without_prefix(groups[key], path, choice.prefix, choice.names)
    beside = {name: value for name, value in loaded.items() if name not in groups}
    settings, unread = settings_of(beside)
    return CheckpointContents(
        found.tensors,
        key=key,
        other_keys=tuple(other for other in networks if other != key),
        prefix=found.prefix,
        left_out=found.left_out,
        settings=settings,
        unread=unread,
    )


def _tensor_groups(loaded: Mapping[object, object]) -> dict[str, dict[str, StoredTensor]]:
    """Dicts with tensors by their keys, `model.state_dict` where one is within another."""
    groups = {"": _tensors_of(loaded)}
    for key, value in loaded.items():
        if isinstance(value, Mapping):
            groups[str(key)] = _tensors_of(value)
            for inner, nested in value.items():
                groups[f"{key}.{inner}"] = _tensors_of(nested)
    return {key: tensors for key, tensors in groups.items() if tensors}


def _tensors_of(value: object) -> dict[str, StoredTensor]:
    items = value.items() if isinstance(value, Mapping) else ()
    return {
        name: tensor
        for name, tensor in items
        if isinstance(name, str) and isinstance(tensor, StoredTensor)
    }


def _networks(
    groups: Mapping[str, Mapping[str, StoredTensor]], wanted: Collection[str]
) -> list[str]:
    """Keys of the dicts that hold a network of ours, or most of the names that are wanted."""
    if not wanted:
        return [key for key, tensors in groups.items() if _is_network(tensors)]
    held = {key: sum(prefixes_of(tensors, wanted).values()) for key, tensors in groups.items()}
    most = max(held.values())
    return [key for key, count in held.items() if most and count == most]


def _is_network(tensors: Mapping[str, StoredTensor]) -> bool:
    anchors = [family.anchor for family in FAMILIES.values() if family.anchor is not None]
    return any(anchor.search(name) for anchor in anchors for name in tensors)


def _default_key(keys: list[str], path: Path) -> str:
    known = [key for key in WEIGHT_KEYS if key in keys]
    chosen = known[0] if known else keys[0] if len(keys) == 1 else preferred(keys)
    if chosen is None:
        raise InputFileError(
            f"{shown(path)} holds weights under {listed(keys)}.",
            hint=f"Choose one: --weights-key '{printable(keys[0])}'",
        )
    return chosen


def _asked_key(groups: Mapping[str, object], path: Path, asked: str) -> str:
    if asked not in groups:
        raise UsageError(
            f"{shown(path)} holds no tensors under {printable(asked)!r}.",
            hint=f"It holds tensors under {listed([key for key in groups if key])}."
            if any(groups)
            else "Its tensors stand under no key: leave the option out.",
        )
    return asked


def _content(loaded: object) -> str:
    keys = printable(", ".join(map(str, list(loaded)[:8]))) if isinstance(loaded, Mapping) else ""
    return keys or type(loaded).__name__
