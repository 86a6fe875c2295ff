"""The page on errors: a section per exit code, and only messages that the code can give."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest

from tests.docs.pages import CHECKOUT, DOCS
from vmamba_deploy.cli.app import INTERRUPTED
from vmamba_deploy.cli.stopping import TERMINATED
from vmamba_deploy.errors import ExitCode

_TEXT = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
_GAP = "\0"
_ROW = re.compile(r"^\| `(?P<message>[^`]+)`", re.MULTILINE)


def sections() -> dict[str, str]:
    """The page's text by heading."""
    parts = re.split(r"^## (.+)$", _TEXT, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def quoted() -> list[str]:
    """The messages in the first column of the tables."""
    return [row["message"] for body in sections().values() for row in _ROW.finditer(body)]


@cache
def texts_of_the_source() -> tuple[str, ...]:
    """Every string of the package but docstrings, with a gap for each value that is put into it."""
    trees = [
        ast.parse(path.read_text(encoding="utf-8"))
        for path in (CHECKOUT / "vmamba_deploy").rglob("*.py")
    ]
    constants = {name: value for tree in trees for name, value in _constants(tree)}
    nodes = [node for tree in trees for node in ast.walk(tree)]
    docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    found = set()
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= set() if id(node) in docstrings else {node.value}
        elif isinstance(node, ast.JoinedStr):
            found.add("".join(_part(value, constants) for value in node.values))
    return tuple(found)


def _constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            value = node.value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield node.targets[0].id, value.value


def _part(part: ast.expr, constants: dict[str, str]) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    assert isinstance(part, ast.FormattedValue)
    return constants.get(part.value.id, _GAP) if isinstance(part.value, ast.Name) else _GAP


def can_be_said(message: str) -> bool:
    """Whether a text of the source, or its first line, is `message`; `...` stands for anything."""
    page = re.compile(".*".join(re.escape(piece) for piece in message.split("...")), re.DOTALL)
    return any(
        page.fullmatch(text) or page.fullmatch(text.partition("\n")[0])
        for text in texts_of_the_source()
    )


@pytest.mark.parametrize("code", list(ExitCode), ids=lambda code: code.name)
def test_each_exit_code_has_its_section_and_its_row(code: ExitCode) -> None:
    assert f"{code.value}: {code.name}" in sections()
    anchor = f"{code.value}-{code.name.lower()}"
    assert re.search(rf"^\| (\[{code.value}\]\(#{anchor}\)|{code.value}) \|", _TEXT, re.MULTILINE)


def test_codes_that_no_error_class_has_are_told_too() -> None:
    assert f"## {INTERRUPTED}: interrupted" in _TEXT
    assert str(TERMINATED) in sections()[f"{INTERRUPTED}: interrupted"]


def test_there_are_no_other_codes() -> None:
    known = {code.value for code in ExitCode} | {INTERRUPTED}
    assert {int(heading.partition(":")[0]) for heading in sections()} == known


@pytest.mark.parametrize("message", quoted())
def test_the_source_has_the_message(message: str) -> None:
    assert can_be_said(message), f"no text of vmamba_deploy gives: {message}"


def test_a_message_that_nobody_gives_is_noticed() -> None:
    assert not can_be_said("the flux capacitor of ... is not charged")
    assert not can_be_said("... has no manifest.yaml that fits")
    assert not can_be_said("random weights need a horoscope")
