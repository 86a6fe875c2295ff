"""The text form of a protobuf message, as Triton reads it from config.pbtxt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias


class Name(str):
    """The name of an enum's value, written without quotes: TYPE_FP32, KIND_CPU."""

    __slots__ = ()


Value: TypeAlias = "str | int | bool | Mapping[str, Value] | Sequence[Value]"
"""A mapping is a message, a sequence a repeated field, which is written field by field."""

Message: TypeAlias = Mapping[str, Value]

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def to_pbtxt(message: Message) -> str:
    """Write a message, one field a line, in the order of the mapping.

    Map fields of protobuf are given as they are in the text form: a sequence of mappings with
    `key` and `value`.
    """
    return "".join(f"{line}\n" for line in _fields(message, ""))


def map_field(entries: Mapping[str, Value]) -> list[Message]:
    """A protobuf map as the text form has it."""
    return [{"key": key, "value": value} for key, value in entries.items()]


def _fields(message: Message, indent: str) -> list[str]:
    lines: list[str] = []
    for name, value in message.items():
        repeated = isinstance(value, Sequence) and not isinstance(value, str)
        for one in value if repeated else [value]:  # type: ignore[union-attr]
            if isinstance(one, Mapping):
                lines += [f"{indent}{name} {{", *_fields(one, f"{indent}  "), f"{indent}}}"]
            else:
                lines.append(f"{indent}{name}: {_scalar(one)}")
    return lines


def _scalar(value: Value) -> str:
    if isinstance(value, Name):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return f'"{"".join(_ESCAPES.get(letter, letter) for letter in value)}"'
    raise TypeError(f"{value!r} has no place in config.pbtxt")
