"""The list of presets: all of them, with the published figures that the pages have."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import DOCS
from vmamba_deploy.models import FAMILIES, resolve_preset
from vmamba_deploy.models.catalogue import PUBLISHED, catalogue


def test_every_preset_is_listed_by_names_that_find_it() -> None:
    listed = catalogue()
    names = {name for family in FAMILIES.values() for name in family.presets}
    assert {one.name for one in listed} == names
    assert len(listed) == len(names)
    for one in listed:
        assert all(resolve_preset(short).name == one.name for short in one.aliases)
    assert {*PUBLISHED} <= names


@pytest.mark.parametrize(
    ("page", "row"),
    [
        ("imagenet", r"^\| `(\w+)` \| [^|]* \| (\d+\.\d) \| "),
        ("vim", r"^\| `(vim_\w+)`.* \| (\d+\.\d) \|$"),
    ],
)
def test_published_figures_are_those_of_the_pages(page: str, row: str) -> None:
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    told = {name: float(top1) for name, top1 in re.findall(row, text, re.MULTILINE)}
    ours = {name: one.top1 for name, one in PUBLISHED.items() if page in ("imagenet", name[:3])}
    assert told == ours
