"""docs/adapt.md: its messages are those of the code, and its names exist."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.docs.pages import DOCS
from tests.docs.test_troubleshooting import can_be_said
from vmamba_deploy.adapting.calls import _SCANS
from vmamba_deploy.adapting.stand_ins.modules import ABSENT, CONTENTS

_TEXT = (DOCS / "adapt.md").read_text(encoding="utf-8")
_CODE = re.compile(r"`([^`]+)`")


def rows(heading: str) -> Iterator[list[str]]:
    """The cells of the tables below a heading, their header rows first."""
    for line in _TEXT.split(f"## {heading}\n")[1].split("\n## ")[0].splitlines():
        if line.startswith("|"):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def messages() -> list[str]:
    """What stands in code in each column `message`."""
    found, column = [], None
    for heading in ("How calls are computed", "Messages of `adapt`"):
        for cells in rows(heading):
            if cells[0] in ("refused", "message") or "how" in cells:
                column = cells.index("message") if "message" in cells else None
            elif column is not None and not cells[0].startswith("-"):
                found += _CODE.findall(cells[column])
    return found


@pytest.mark.parametrize("message", messages())
def test_the_source_has_the_message(message: str) -> None:
    assert can_be_said(message), f"no text of vmamba_deploy gives: {message}"


def test_every_table_of_messages_is_read() -> None:
    assert len(messages()) >= 17
    assert "this network was adapted before" in messages()


def test_each_call_that_the_page_promises_is_recognised() -> None:
    (row,) = [cells for cells in rows("What is found") if cells[0].startswith("any other module")]
    named = {name.removesuffix(".apply") for name in _CODE.findall(row[1])}
    assert named <= _SCANS
    assert {name for name in _SCANS if not name.endswith("_ref") and "bimamba" not in name} <= named


def test_each_name_that_the_page_promises_is_there() -> None:
    every = {name for contents in CONTENTS.values() for name in contents}
    for package, what in list(rows("What can be imported inside `shims()`"))[2:]:
        first = _CODE.findall(package)[0]
        assert first in {name.partition(".")[0] for name in CONTENTS}
        for name in _CODE.findall(what):
            of_another_kind = name in ("bimamba_type", "v2", "v3", "triton.language")
            assert of_another_kind or name in every, name
    for name in ("Mamba2", "causal_conv1d_update"):
        assert any(name in names for names in ABSENT.values())
