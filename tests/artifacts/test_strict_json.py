"""JSON that readers would take differently, and texts that a terminal would obey."""

from __future__ import annotations

import pytest

from vmamba_deploy.artifacts.strict_json import is_plain, parse_json, require_plain_texts


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"a": {"b": 1, "c": 2, "b": 3}}', "the key 'b' stands there twice"),
        (b"[NaN]", "NaN is no number"),
        (b"[-Infinity]", "-Infinity is no number"),
        (b"[1e999]", "the number 1e999 is too large"),
        (b"[-1e999]", "too large"),
        (b"[" * 100_000, "nested too deeply"),
        (b"9" * 5000, "integer string conversion"),
        (b"\xff", "codec"),
        (b"", "Expecting value"),
    ],
)
def test_what_no_reader_should_take(content: bytes, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        parse_json(content)


def test_what_every_reader_takes() -> None:
    assert parse_json(b'{"a": [1, -2.5, 1e308, true, null, "\\u00e9"], "b": {"a": 0}}') == {
        "a": [1, -2.5, 1e308, True, None, "\u00e9"],
        "b": {"a": 0},
    }


@pytest.mark.parametrize(
    "text", ["", "plain", "\u00e9\u6f22", "two\nlines\tand a tab \u00e9", "\n"]
)
def test_plain_texts(text: str) -> None:
    assert is_plain(text)
    require_plain_texts({text: [text, 1, None, {"deep": text}]})


@pytest.mark.parametrize(
    "one", ["\x1b", "\x00", "\r", "\x7f", "\x9b", "\u2028", "\u2029", "\ud800", "\u202e", "\u200f"]
)
@pytest.mark.parametrize("around", ["{}", "plain {}", "\u00e9{}\n"])
def test_texts_that_are_not_plain(one: str, around: str) -> None:
    text = around.format(one)
    assert not is_plain(text)
    for document in ([text], {text: 1}, {"a": {"b": [text]}}):
        with pytest.raises(ValueError, match="control characters"):
            require_plain_texts(document)


def test_the_longest_text() -> None:
    require_plain_texts(["a" * 4096])
    with pytest.raises(ValueError, match="a text of 4,097 characters"):
        require_plain_texts({"a": "a" * 4097})
