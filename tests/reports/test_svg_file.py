"""Plots as files: readable light and dark, equal each time."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from tests.contrast import contrast, hexadecimal
from tests.docs.pages import DOCS
from vmamba_deploy.reports.plots import COLOURS
from vmamba_deploy.reports.svg_file import save_svg

COMMITTED = sorted((DOCS / "figures").rglob("*.svg"))
PAGES = ("#ffffff", "#1e2129", "#0d1117")
"""White, and the dark pages of the site and of a repository host."""


def drawn(path: Path) -> str:
    figure = Figure()
    axes = figure.subplots()
    axes.bar([1, 2], [3, 4], color=COLOURS[0], label="a bar")
    axes.annotate("a note", (1, 2))
    axes.legend()
    save_svg(figure, path)
    return path.read_text(encoding="utf-8")


def test_a_drawing_follows_the_scheme_and_is_the_same_each_time(tmp_path: Path) -> None:
    svg = drawn(tmp_path / "one.svg")
    assert svg == drawn(tmp_path / "one.svg")
    check_for_any_page(svg)
    assert COLOURS[0] in svg
    assert [file.name for file in tmp_path.iterdir()] == ["one.svg"]


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.relative_to(DOCS).as_posix())
def test_the_figures_of_the_pages_follow_the_scheme(path: Path) -> None:
    check_for_any_page(path.read_text(encoding="utf-8"))


def check_for_any_page(svg: str) -> None:
    assert "prefers-color-scheme:dark" in svg
    assert "#000000" not in svg
    assert "fill: #ffffff" not in svg


@pytest.mark.parametrize("page", PAGES)
def test_colours_stand_out_from_a_light_and_a_dark_page(page: str) -> None:
    apart = {colour: contrast(hexadecimal(colour), hexadecimal(page)) for colour in COLOURS}
    assert min(apart.values()) >= 3, apart
