"""What a file says of its own training: the settings beside the weights, as plain values.

Configurations that are text, JSON or a Python file of assignments, are read as data. Nothing of
them is run: a value that is not written out as a literal is as if it were not there.
"""

from __future__ import annotations

import ast
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.files import read_file, understood
from vmamba_deploy.models.checkpoints.stand_in import StandIn, plain
from vmamba_deploy.models.checkpoints.stored import StoredTensor

MAX_SECTIONS = 10_000
_MAX_TEXT_BYTES = 300_000
_UNPARSABLE = (SyntaxError, ValueError, RecursionError, MemoryError)


@dataclass(frozen=True)
class Settings:
    """One section of a file's configuration.

    Attributes:
        place: of the section, `config.MODEL.VSSM`; empty for what stands beside the weights.
        values: by the names that the file gives them.
    """

    place: str
    values: Mapping[str, object]

    def named(self, key: str) -> str:
        """The place of one value."""
        return f"{self.place}.{key}".lstrip(".")


def settings_of(beside: Mapping[Any, object]) -> tuple[tuple[Settings, ...], tuple[str, ...]]:
    """Look through what stands beside the weights, the outer sections first.

    Returns:
        The sections, and the places of those that are larger than any configuration.
    """
    found: list[Settings] = []
    unread: list[str] = []
    ahead: deque[tuple[str, object]] = deque([("", dict(beside))])
    while ahead and len(found) < MAX_SECTIONS:
        place, value = ahead.popleft()
        try:
            section = _section(value)
        except InputFileError:
            unread.append(place)
            continue
        if section is not None:
            found.append(Settings(place, section))
            ahead += [(found[-1].named(key), inner) for key, inner in section.items()]
    unread += [place for place, value in ahead if not isinstance(value, str | int | float)]
    return tuple(found), tuple(unread)


def _section(value: object) -> dict[str, object] | None:
    """The values of a dict, of an object's attributes or of a text of settings, if it is one.

    Raises:
        InputFileError: a value within is larger than any configuration.
    """
    if isinstance(value, StandIn):
        meant = plain(value)
        value = meant.state if isinstance(meant, StandIn) else meant
    if isinstance(value, str):
        value = literal_settings(value)
    if not isinstance(value, Mapping):
        return None
    return {
        key: plain(item) if isinstance(item, list | tuple | StandIn) else item
        for key, item in value.items()
        if isinstance(key, str) and not isinstance(item, StoredTensor)
    }


def settings_beside(path: Path) -> tuple[Settings, ...]:
    """The sections of the JSON files that the transformers library puts beside a weights file.

    Raises:
        InputFileError: such a file is there and cannot be read.
    """
    read: dict[str, object] = {}
    for name in ("config.json", "preprocessor_config.json"):
        file = path.with_name(name)
        if file.is_file():
            text = read_file(file, what="a configuration", limit_bytes=_MAX_TEXT_BYTES)
            with understood(file, what="a JSON file"):
                read[name] = json.loads(text)
    return settings_of(read)[0] if read else ()


def metadata_values(metadata: Mapping[str, str]) -> dict[str, object]:
    """The values of a safetensors file, of which those that are JSON say what they hold.

    Raises:
        RecursionError: JSON that is nested without end.
    """
    values: dict[str, object] = {}
    for key, text in metadata.items():
        try:
            values[key] = json.loads(text)
        except ValueError:
            values[key] = text
    return values


def literal_settings(text: str) -> Mapping[object, object] | None:
    """The settings that a text of JSON, or of Python assignments, writes out; None if none."""
    if len(text) > _MAX_TEXT_BYTES or not ("=" in text or text.lstrip().startswith("{")):
        return None
    try:
        if text.lstrip().startswith("{"):
            try:
                value: object = json.loads(text)
            except ValueError:
                value = _literal(ast.parse(text.strip(), mode="eval").body, {})
            return value if isinstance(value, Mapping) else None
        assigned: dict[object, object] = {}
        for statement in ast.parse(text).body:
            match statement:
                case ast.Assign(targets=[ast.Name(name)], value=value_node):
                    assigned[name] = _literal(value_node, assigned)
        return assigned
    except _UNPARSABLE:
        return None


def _literal(node: ast.expr, names: Mapping[object, object]) -> object:
    """The value of an expression of literals, `dict(...)` and names already assigned, else None."""
    match node:
        case ast.Constant(value):
            return value
        case ast.Name(name):
            return names.get(name)
        case ast.UnaryOp(ast.USub(), ast.Constant(int() | float() as number)):
            return -number
        case ast.List(parts) | ast.Tuple(parts):
            return [_literal(part, names) for part in parts]
        case ast.Dict(keys, values):
            pairs = zip(keys, values, strict=True)
            return {
                key.value: _literal(each, names)
                for key, each in pairs
                if isinstance(key, ast.Constant)
            }
        case ast.Call(ast.Name("dict"), [], keywords):
            return {each.arg: _literal(each.value, names) for each in keywords if each.arg}
    return None
