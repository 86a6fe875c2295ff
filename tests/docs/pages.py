"""The pages that users read, and the command blocks on them.

A fenced block of `sh` or `python` is run by `test_commands`, unless the line before it says

    <!-- not run: REASON -->                 reported as skipped, with the reason
    <!-- run by: tests/some/test_file.py -->  that test starts the same programs
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
DOCS = CHECKOUT / "docs"
COMMAND_LANGUAGES = ("sh", "python")
_FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,})(?P<info>[^`]*)$")
_MARK = re.compile(r"^\s*<!-- (?P<kind>not run|run by): (?P<text>.+?) -->\s*$")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: relative to the checkout.
        line: of its first fence, from 1.
        language: the first word after the fence.
        text: between the fences, without the fence's indent.
        not_run: why no test runs it; None when one does.
        run_by: the test that runs it in `test_commands`' stead.
    """

    page: str
    line: int
    language: str
    text: str
    not_run: str | None = None
    run_by: str | None = None

    @property
    def place(self) -> str:
        """For messages: page:line."""
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """Every page for users, in the site or beside the code that it is about."""
    readmes = sorted(CHECKOUT.glob("samples/*/README.md"))
    top = [CHECKOUT / name for name in ("README.md", "CONTRIBUTING.md", "plugins/README.md")]
    return [*site_pages(), *top, *readmes]


def site_pages() -> list[Path]:
    """The pages of docs/."""
    return sorted(DOCS.glob("*.md"))


def name_of(page: Path) -> str:
    """The page's path in the checkout."""
    return page.relative_to(CHECKOUT).as_posix()


def command_blocks(page: Path) -> list[Block]:
    """The blocks of a page that hold commands or programs, in their order."""
    found = blocks(page.read_text(encoding="utf-8"), name_of(page))
    return [block for block in found if block.language in COMMAND_LANGUAGES]


def blocks(text: str, page: str) -> list[Block]:
    """All fenced blocks of a page.

    Raises:
        ValueError: a fence is never closed.
    """
    lines, found, number = text.splitlines(), [], 0
    while number < len(lines):
        opened = _FENCE.match(lines[number])
        if opened is None:
            number += 1
            continue
        end = _closing(lines, number + 1, opened["ticks"])
        if end is None:
            raise ValueError(f"{page}:{number + 1}: this block never ends")
        inside = [line.removeprefix(opened["indent"]) for line in lines[number + 1 : end]]
        language = (opened["info"].split() or [""])[0]
        mark = _MARK.match(lines[number - 1]) if number else None
        marks = {mark["kind"].replace(" ", "_"): mark["text"]} if mark else {}
        found.append(Block(page, number + 1, language, "\n".join(inside) + "\n", **marks))
        number = end + 1
    return found


def without_blocks(text: str) -> str:
    """The prose of a page: lines of fenced blocks are empty, so that line numbers stay."""
    lines = text.splitlines()
    for block in blocks(text, "page"):
        for number in range(block.line - 1, block.line + block.text.count("\n") + 1):
            lines[number] = ""
    return "\n".join(lines)


def _closing(lines: list[str], start: int, ticks: str) -> int | None:
    for number in range(start, len(lines)):
        if lines[number].strip() == ticks:
            return number
    return None
