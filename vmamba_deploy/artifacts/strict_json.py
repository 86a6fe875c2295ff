"""JSON that every reader takes alike: what some of them would take otherwise is refused."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Iterator
from typing import Any, NoReturn

_LONGEST_TEXT = 4096
# Control characters, ends of lines and paragraphs, lone surrogates.
_UNSEEN = frozenset({"Cc", "Zl", "Zp", "Cs"})
_TURN_THE_TEXT = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)


def parse_json(content: bytes) -> Any:
    """The value of a JSON document.

    Raises:
        ValueError: no JSON in UTF-8, or one with a key twice, a number that is not finite or has
            more digits than any use, or more levels than a reader follows.
    """
    try:
        return json.loads(
            content.decode(),
            object_pairs_hook=_distinct,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def require_plain_texts(document: Any) -> None:
    """Refuse keys and values with control characters, or of more than 4,096 characters.

    Raises:
        ValueError: names the first.
    """
    for text in _texts(document):
        if len(text) > _LONGEST_TEXT:
            raise ValueError(f"it holds a text of {len(text):,} characters")
        if not is_plain(text):
            raise ValueError(f"it holds a text with control characters: {ascii(text)[:80]}")


def is_plain(text: str) -> bool:
    """Whether nothing in a text steers a terminal or turns its direction; lines may end."""
    if text.isascii() and text.isprintable():
        return True
    return not any(
        (unicodedata.category(one) in _UNSEEN and one not in "\n\t") or one in _TURN_THE_TEXT
        for one in text
    )


def _texts(document: Any) -> Iterator[str]:
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            waiting += [*value, *value.values()]


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {ascii(twice)[:80]} stands there twice")
    return fields


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"the number {digits[:20]} is too large")
    return number
