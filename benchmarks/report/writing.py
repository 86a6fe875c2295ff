"""The files that are made from the kept results: the page, its figures, the README's table."""

from __future__ import annotations

from pathlib import Path

from benchmarks.report.figures import draw_figures
from benchmarks.report.floors import with_measured_layers
from benchmarks.report.op_table import op_rows
from benchmarks.report.page import page_text
from benchmarks.report.readme import README, readme_text
from benchmarks.report.results import Results, kept_results
from vmamba_deploy.artifacts.atomic import atomic_write

DOCS = README.parent / "docs"
PAGE = DOCS / "performance.md"
FIGURES = DOCS / "figures"


def write_all() -> list[Path]:
    """Make them anew; returns what was written."""
    results = _results()
    texts = _texts(results)
    for path, text in texts.items():
        with atomic_write(path) as partial:
            partial.write_text(text)
    return [*texts, *draw_figures(results, op_rows(results), FIGURES)]


def stale_texts() -> list[Path]:
    """The page and the README, where they are not what the kept results give."""
    expected = _texts(_results())
    return [path for path, text in expected.items() if path.read_text() != text]


def _results() -> Results:
    return with_measured_layers(kept_results())


def _texts(results: Results) -> dict[Path, str]:
    return {PAGE: page_text(results), README: readme_text(results, README.read_text())}
