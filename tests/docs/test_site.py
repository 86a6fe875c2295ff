"""The site: builds without a warning, and every link and anchor in it leads somewhere."""

from __future__ import annotations

import os
import posixpath
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from mkdocs.config import load_config

from tests.docs.pages import CHECKOUT, site_pages
from tests.processes import HANG_S

# What a browser would fetch by itself. A plain link to elsewhere is fine.
_FETCHED = {("script", "src"), ("link", "href"), ("img", "src"), ("source", "src")}


@dataclass
class Document:
    """The ids and references of an HTML file."""

    ids: set[str] = field(default_factory=set)
    references: list[tuple[str, str, str]] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.document = Document()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value is None:
                continue
            if name in {"id", "name"}:
                self.document.ids.add(value)
            elif name in {"href", "src"}:
                self.document.references.append((tag, name, value))


def read_document(path: Path) -> Document:
    reader = _Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader.document


def build(config: Path, site: Path) -> tuple[int, str]:
    """Build as `make docs` does; exit code and log."""
    program = Path(sys.executable).with_name("mkdocs")
    done = subprocess.run(
        [program, "build", "--strict", "--config-file", config, "--site-dir", site],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        timeout=HANG_S,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    code, log = build(CHECKOUT / "mkdocs.yml", folder)
    assert code == 0, log
    assert "WARNING" not in log, log
    return folder


@pytest.fixture(scope="module")
def documents(site: Path) -> dict[str, Document]:
    """Every HTML file by its path in the site."""
    files = sorted(site.rglob("*.html"))
    return {path.relative_to(site).as_posix(): read_document(path) for path in files}


def test_every_page_is_in_the_navigation() -> None:
    navigation = load_config(str(CHECKOUT / "mkdocs.yml")).nav
    assert sorted(page_names(navigation)) == [page.name for page in site_pages()]


def page_names(entry: Any) -> list[str]:
    """The files in a part of the navigation: a name, a list, or {title: name or list}."""
    if isinstance(entry, str):
        return [entry]
    entries = entry.values() if isinstance(entry, dict) else entry
    return [name for one in entries for name in page_names(one)]


def test_every_page_is_built(documents: dict[str, Document]) -> None:
    stems = {page.stem for page in site_pages()} - {"index"}
    assert {"index.html", *(f"{stem}/index.html" for stem in stems)} <= set(documents)


def test_every_link_and_anchor_leads_somewhere(site: Path, documents: dict[str, Document]) -> None:
    broken = []
    for name, document in documents.items():
        if name == "404.html":
            continue  # its links are absolute: the host decides where the site begins
        for _, _, reference in document.references:
            parts = urlsplit(reference)
            if parts.scheme or parts.netloc:
                continue
            target = _target(name, unquote(parts.path))
            if not (site / target).is_file():
                broken.append(f"{name}: {reference}: no {target}")
                continue
            known = documents[target].ids if target in documents else {parts.fragment}
            if parts.fragment and unquote(parts.fragment) not in known:
                broken.append(f"{name}: {reference}: no such place")
    assert not broken, "\n".join(broken)


def _target(page: str, path: str) -> str:
    if not path:
        return page
    target = posixpath.normpath(posixpath.join(posixpath.dirname(page), path))
    folder = path.endswith("/") or posixpath.basename(path) in {".", ".."}
    return posixpath.normpath(posixpath.join(target, "index.html")) if folder else target


def test_a_page_fetches_nothing_from_elsewhere(documents: dict[str, Document]) -> None:
    fetched = [
        f"{name}: {value}"
        for name, document in documents.items()
        for tag, attribute, value in document.references
        if (tag, attribute) in _FETCHED and urlsplit(value).netloc
    ]
    assert not fetched


def test_what_pages_link_to_outside_docs_is_in_the_site(
    site: Path, documents: dict[str, Document]
) -> None:
    assert "repository/plugins/index.html" in documents
    links = [value for _, _, value in documents["architecture/index.html"].references]
    assert "../repository/plugins/" in links
    assert (site / "repository/LICENSE").is_file() or "repository/index.html" not in documents


def test_links_that_lead_nowhere_stop_the_build(tmp_path: Path) -> None:
    shutil.copy(CHECKOUT / "mkdocs.yml", tmp_path)
    shutil.copytree(CHECKOUT / "docs" / "_site", tmp_path / "docs" / "_site")
    for page in site_pages():
        (tmp_path / "docs" / page.name).write_text("# A page\n", encoding="utf-8")
    for name, text in (
        ("export.md", "[a](missing.md) [b](index.md#missing) [c](../plugins/MISSING.md)\n"),
        ("python.md", "[d](../samples/one.py) [e](../samples)\n"),
        ("unlisted.md", "# Nobody links here\n"),
    ):
        (tmp_path / "docs" / name).write_text(text, encoding="utf-8")
    samples = tmp_path / "samples"
    samples.mkdir()
    (samples / "one.py").write_text("print(1)\n", encoding="utf-8")
    (samples / "README.md").write_text("# Samples\n[back](../docs/export.md)\n", encoding="utf-8")
    code, log = build(tmp_path / "mkdocs.yml", tmp_path / "site")
    assert code != 0
    warned = [line for line in log.splitlines() if line.startswith("WARNING")]
    assert sum("'missing.md'" in line for line in warned) == 1
    assert sum("MISSING.md" in line for line in warned) == 1
    assert sum("'nav'" in line or '"nav"' in line for line in warned) == 1
    assert not any("samples" in line for line in warned)
