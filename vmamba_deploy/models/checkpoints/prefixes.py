"""The one prefix in front of a network's names, and the tensors that are not the network's."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from vmamba_deploy.errors import InputFileError, UsageError, printable
from vmamba_deploy.files import shown
from vmamba_deploy.models.families import FAMILIES, families_told_by

T = TypeVar("T")

_LISTED = 8
_WRAPPERS = re.compile(r"(?:^|(?<=\.))(?:module|_orig_mod)\.")
# Of profilers of operations, and of BatchNorm: no weights.
_COUNTERS = re.compile(r"(?:total_ops|total_params|num_batches_tracked)$")
# Parts of a training script that stand beside a network without a prefix of its own.
_BESIDE = re.compile(
    r"(?:criterion|\w*loss\w*|neck|projector|(?:decode|auxiliary|rpn|roi|bbox|mask)_head)\."
)


@dataclass(frozen=True)
class Unprefixed(Generic[T]):
    """The tensors of one network.

    Attributes:
        tensors: by names without the prefix.
        prefix: that stood in front of the names.
        left_out: names of the other tensors.
    """

    tensors: dict[str, T]
    prefix: str
    left_out: tuple[str, ...]


def without_prefix(
    tensors: Mapping[str, T], path: Path, asked: str | None, wanted: Collection[str] = ()
) -> Unprefixed[T]:
    """Take one network out of the tensors of a file, whatever its names begin with.

    Data-parallel and compiled wrappers are dropped from every name. What stands outside the prefix
    is left out, but for the parts of a network that are kept apart from its backbone, such as a
    classifier. Of a network over a backbone, what is no part of it is left out too.

    Args:
        tensors: by the names in the file.
        path: of the file.
        asked: the prefix that the user names; None finds the one that a family's names tell.
        wanted: names of a network that is no family's; then they tell, and every name behind the
            prefix is the network's.

    Raises:
        UsageError: no name begins with the prefix that was asked for.
        InputFileError: several networks are there.
    """
    counters = [name for name in tensors if is_counter(name)]
    named = _without_wrappers({name: tensors[name] for name in tensors if name not in counters})
    if asked is not None:
        prefix = _asked_prefix(named, path, asked)
    else:
        prefix = _only_prefix(prefixes_of(named, wanted) if wanted else _told(named), path)
    within: dict[str, T] = {}
    outside: list[str] = []
    belongs = (lambda _name: True) if wanted else _belonging(named, prefix)
    for name, tensor in named.items():
        if name.startswith(prefix) and belongs(name.removeprefix(prefix)):
            within[name.removeprefix(prefix)] = tensor
        else:
            outside.append(name)
    left_out = counters
    for name in outside:
        own = None if wanted else _own_name(name, prefix)
        if own is None or own in within:
            left_out.append(name)
        else:
            within[own] = named[name]
    return Unprefixed(within, prefix, tuple(left_out))


def _belonging(names: Collection[str], prefix: str) -> Callable[[str], bool]:
    """Whether a name behind the prefix is one of the network that the names tell."""
    own = [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
    parts = [family.parts for family in families_told_by(own) if family.parts is not None]
    if parts:
        return lambda name: any(pattern.match(name) for pattern in parts)
    return lambda name: bool(prefix) or not _BESIDE.match(name)


def is_counter(name: str) -> bool:
    """Whether a tensor of that name counts something in training and is no weight."""
    return _COUNTERS.search(name) is not None


def preferred(names: Collection[str]) -> str | None:
    """The one among the names of several networks that is no moving average; None if several."""
    plain = [name for name in names if "ema" not in re.split(r"[\W_]", name.lower())]
    return plain[0] if len(plain) == 1 else None


def listed(names: Collection[str]) -> str:
    """Names for a message."""
    shortened = ", ".join([repr(name) for name in names][:_LISTED])
    return printable(shortened) + (", ..." if len(names) > _LISTED else "")


def _without_wrappers(tensors: dict[str, T]) -> dict[str, T]:
    unwrapped = {_WRAPPERS.sub("", name): tensor for name, tensor in tensors.items()}
    # Two networks, one of them wrapped.
    return unwrapped if len(unwrapped) == len(tensors) else tensors


def prefixes_of(names: Iterable[str], wanted: Collection[str]) -> Counter[str]:
    """What stands before the wanted names among those of a file, the most frequent alone.

    Wrappers of the names are no part of it.
    """
    counts: Counter[str] = Counter()
    for name in (_WRAPPERS.sub("", each) for each in names):
        places = [0, *(place + 1 for place, letter in enumerate(name) if letter == ".")]
        counts.update(name[:place] for place in places if name[place:] in wanted)
    most = max(counts.values(), default=0)
    return Counter({prefix: count for prefix, count in counts.items() if count == most})


def _told(names: Collection[str]) -> Collection[str]:
    """The prefixes that the anchors of our families tell."""
    anchors = [family.anchor for family in families_told_by(names) if family.anchor is not None]
    matches = (anchor.search(name) for anchor in anchors for name in names)
    return dict.fromkeys(match.string[: match.start()] for match in matches if match)


def _only_prefix(found: Collection[str], path: Path) -> str:
    chosen = preferred(found) if len(found) > 1 else next(iter(found), "")
    if chosen is None:
        raise InputFileError(
            f"{shown(path)} holds {len(found)} networks; their names begin with {listed(found)}.",
            hint=f"Choose one: --strip-prefix '{printable(next(iter(found)))}'",
        )
    return chosen


def _asked_prefix(names: Collection[str], path: Path, asked: str) -> str:
    prefix = _WRAPPERS.sub("", asked if not asked or asked.endswith(".") else f"{asked}.")
    if not any(name.startswith(prefix) for name in names):
        some = dict.fromkeys(name.partition(".")[0] + "." for name in names)
        raise UsageError(
            f"No name in {shown(path)} begins with {printable(prefix)!r}.",
            hint=f"They begin with {listed(some)}.",
        )
    return prefix


def _own_name(name: str, prefix: str) -> str | None:
    """What a part outside the prefix is called in its network; None if it is no part of one.

    A classifier beside `model.backbone.` is `model.head.fc.` or `head.fc.`.
    """
    while not name.startswith(prefix):
        parent, dot, _ = prefix.removesuffix(".").rpartition(".")
        prefix = parent + dot
    own = name.removeprefix(prefix)
    return own if any(family.own_names.match(own) for family in FAMILIES.values()) else None
