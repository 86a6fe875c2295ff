"""What stands in a read checkpoint for the objects of somebody else's classes.

`read_pickled` gives a tree of dicts with keys of text or numbers, lists, tuples, text, bytes,
numbers and None; a `StoredTensor` for each tensor, and a `StandIn` for everything else. Who looks
for settings in it calls `plain` on the part that may hold them:

    settings = plain(tree["args"])  # an argparse.Namespace becomes a dict

Containers may be shared between places, but the tree is no larger and no deeper for it than
`check_size` allows. What a stand-in holds may also hold the stand-in.
"""

from __future__ import annotations

import datetime
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import PurePath, PurePosixPath, PureWindowsPath
from typing import Any

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.models.checkpoints.limits import MAX_DEPTH, MAX_VALUES

_MAX_PARTS, _MAX_PATH_CHARACTERS = 100, 4096
_TOO_MUCH = (
    f"What the checkpoint holds is nested deeper than {MAX_DEPTH} levels or is more than "
    f"{MAX_VALUES:,} values."
)


@dataclass(eq=False, slots=True)
class StandIn:
    """An object of any class but the built-in ones, or a class or function itself; it does nothing.

    Attributes:
        name: of the class or function with its module: "argparse.Namespace".
        arguments: that the class or function was to be called with.
        state: what the object was to be restored from, mostly the dict of its attributes.
        items: what a subclass of dict or list was to be filled with.
    """

    name: str
    arguments: tuple[object, ...] = ()
    state: object = None
    items: dict[object, object] | list[object] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"StandIn({self.name!r})"


def check_size(tree: object) -> None:
    """Refuse a tree that takes for ever to be walked through.

    Objects of classes that `plain` does not know are counted once, and may hold themselves.

    Raises:
        InputFileError: containers hold themselves, are nested deeper than `MAX_DEPTH`, or hold
            more than `MAX_VALUES` values, shared ones counted in each place.
    """
    measured: dict[int, tuple[object, int, int]] = {}
    ahead = [tree]

    def size_and_height(value: object, depth: int) -> tuple[int, int]:
        """Values and levels of containers in it, below so many other containers."""
        if not isinstance(value, StandIn | dict | list | tuple):
            return 1, 0
        if depth == MAX_DEPTH:
            raise InputFileError(_TOO_MUCH)
        if id(value) not in measured:
            parts = [size_and_height(part, depth + 1) for part in parts_of(value)]
            height = 1 + max((height for _, height in parts), default=0)
            measured[id(value)] = value, 1 + sum(size for size, _ in parts), height
        _, size, height = measured[id(value)]
        if size > MAX_VALUES or depth + height > MAX_DEPTH:
            raise InputFileError(_TOO_MUCH)
        return size, height

    def parts_of(value: StandIn | dict[object, object] | list[object] | tuple[object, ...]) -> Any:
        if isinstance(value, StandIn):
            meant = _meaning(value)
            if meant is not value:
                return (meant,)
            ahead.extend((value.arguments, value.state, value.items))
            return ()
        return value.values() if isinstance(value, dict) else value

    total = 0
    while ahead:
        total += size_and_height(ahead.pop(), 0)[0]
        if total > MAX_VALUES:
            raise InputFileError(_TOO_MUCH)


def plain(value: object) -> Any:
    """A part of a read checkpoint with settings as dicts, lists, text, numbers and None.

    Namespaces and the configuration classes of yacs, mmengine, EasyDict and OmegaConf become
    dicts; sets and tuples lists; paths and dates text; NumPy's numbers numbers. Tensors and
    stand-ins of other classes stay.

    Raises:
        InputFileError: deeper than `MAX_DEPTH` or of more than `MAX_VALUES` values.
    """
    check_size(value)
    done: dict[int, tuple[object, object]] = {}

    def convert(value: object) -> object:
        if id(value) not in done:
            done[id(value)] = value, converted(value)
        return done[id(value)][1]

    def converted(value: object) -> object:
        if isinstance(value, StandIn):
            meant = _meaning(value)
            return value if meant is value else convert(meant)
        if isinstance(value, dict):
            return {key: convert(item) for key, item in value.items()}
        return [convert(item) for item in value] if isinstance(value, list | tuple) else value

    return convert(value)


def _meaning(found: StandIn) -> object:
    """What an object means as a plain value; itself where that cannot be told."""
    return _MEANINGS[found.name](found) if found.name in _MEANINGS else found


def _in_state(key: str | int) -> Callable[[StandIn], object]:
    def meaning(found: StandIn) -> object:
        match found.state, key:
            case dict(state), _ if key in state:
                return state[key]
            case tuple(state), int() if key < len(state):
                return state[key]
        return found

    return meaning


def _attributes(found: StandIn) -> object:
    return {} if found.state is None else found.state


def _items(found: StandIn) -> object:
    return found.items or (found.arguments[0] if found.arguments else {})


def _first_argument(found: StandIn) -> object:
    return found.arguments[0] if found.arguments else []


def _path(kind: type[PurePath]) -> Callable[[StandIn], object]:
    def meaning(found: StandIn) -> object:
        parts = [part for part in found.arguments[:_MAX_PARTS] if isinstance(part, str)]
        short = sum(map(len, parts)) < _MAX_PATH_CHARACTERS
        return str(kind(*parts)) if short and len(parts) == len(found.arguments) else found

    return meaning


def _date(kind: type[datetime.date | datetime.time]) -> Callable[[StandIn], object]:
    def meaning(found: StandIn) -> object:
        match found.arguments:
            case (bytes(),):
                # The classes of the standard library take the bytes of their own pickles.
                with suppress(TypeError, ValueError):
                    return kind(*found.arguments).isoformat()  # type: ignore[arg-type]
        return found

    return meaning


_NUMPY_CODES = {"f2": "e", "f4": "f", "f8": "d", "b1": "?"} | {
    f"{sign}{size}": code.upper() if sign == "u" else code
    for sign in "iu"
    for size, code in ((1, "b"), (2, "h"), (4, "i"), (8, "q"))
}


def _numpy_scalar(found: StandIn) -> object:
    match found.arguments:
        case (StandIn(arguments=(str(code), *_), state=(_, str(order), *_)), bytes(data)):
            form = f"{'>' if order == '>' else '<'}{_NUMPY_CODES.get(code, '0s')}"
            if struct.calcsize(form) == len(data) > 0:
                return struct.unpack(form, data)[0]
    return found


_MEANINGS: Mapping[str, Callable[[StandIn], object]] = {
    **dict.fromkeys(("argparse.Namespace", "types.SimpleNamespace"), _attributes),
    **dict.fromkeys(
        (
            "yacs.config.CfgNode",
            "fvcore.common.config.CfgNode",
            "detectron2.config.config.CfgNode",
            "easydict.EasyDict",
            "addict.addict.Dict",
            "mmcv.utils.config.ConfigDict",
            "mmengine.config.config.ConfigDict",
        ),
        _items,
    ),
    **dict.fromkeys(("mmcv.utils.config.Config", "mmengine.config.config.Config"), _in_state(0)),
    "ml_collections.config_dict.config_dict.ConfigDict": _in_state("_fields"),
    **dict.fromkeys(
        ("omegaconf.dictconfig.DictConfig", "omegaconf.listconfig.ListConfig"),
        _in_state("_content"),
    ),
    **dict.fromkeys(
        (
            f"omegaconf.nodes.{kind}Node"
            for kind in ("Any", "Boolean", "Float", "Integer", "String")
        ),
        _in_state("_val"),
    ),
    **dict.fromkeys(("builtins.set", "builtins.frozenset"), _first_argument),
    **{
        f"{module}.{prefix}{kind.__name__.removeprefix('Pure')}": _path(kind)
        for module in ("pathlib", "pathlib._local")
        for prefix in ("", "Pure")
        for kind in (PurePosixPath, PureWindowsPath)
    },
    "datetime.date": _date(datetime.date),
    "datetime.datetime": _date(datetime.datetime),
    "datetime.time": _date(datetime.time),
    "numpy.core.multiarray.scalar": _numpy_scalar,
    "numpy._core.multiarray.scalar": _numpy_scalar,
}
"""What an object means as a plain value, by its class; itself where that cannot be told.

None of them copies what may be shared and large.
"""
