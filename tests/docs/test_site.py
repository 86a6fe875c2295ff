"""The site: builds without a warning, and every link and anchor in it leads somewhere."""

from __future__ import annotations

import os
import posixpath
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from mkdocs.config import load_config
from selenium.webdriver.support.ui import WebDriverWait

from tests.chromium import MISSING, open_browser
from tests.contrast import contrast, over, rgba
from tests.docs.pages import CHECKOUT, site_pages
from tests.processes import HANG_S

# What a browser would fetch by itself. A plain link to elsewhere is fine.
_FETCHED = {
    *((tag, "src") for tag in ("script", "img", "source", "iframe", "video", "audio", "embed")),
    *((tag, "srcset") for tag in ("img", "source")),
    *((tag, "href") for tag in ("link", "image", "use")),
    *((tag, "style") for tag in ("div", "span", "svg", "img")),
    ("object", "data"),
}
_ELSEWHERE = re.compile(r"(?:https?:)?//[\w.-]+\.\w")
# A page's own style, and what a stylesheet fetches.
_FETCHED_BY_STYLE = re.compile(r"""(?:url\(|@import)\s*["']?(?:https?:)?//""")


@dataclass
class Document:
    """The ids and references of an HTML file, and the attributes that a browser fetches from."""

    ids: set[str] = field(default_factory=set)
    fetched: list[str] = field(default_factory=list)
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
            if (tag, name) in _FETCHED:
                self.document.fetched.append(value)


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
    assert {f"{page.stem}.html" for page in site_pages()} <= set(documents)


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
    # A folder is no page: nothing chooses its index.html when the site is opened from a disk.
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), path))


def test_a_page_fetches_nothing_from_elsewhere(site: Path, documents: dict[str, Document]) -> None:
    fetched = [
        f"{name}: {value}"
        for name, document in documents.items()
        for value in document.fetched
        if _ELSEWHERE.search(value)
    ]
    styled = [
        f"{file.relative_to(site)}: {found[0]}"
        for file in sorted(site.rglob("*"))
        if file.suffix in {".css", ".html", ".svg"}
        for found in [_FETCHED_BY_STYLE.search(file.read_text(encoding="utf-8"))]
        if found
    ]
    assert not fetched + styled


def test_a_diagram_is_an_svg_in_its_page(site: Path) -> None:
    pages = [page for page in site_pages() if "```mermaid" in page.read_text(encoding="utf-8")]
    assert pages
    for page in pages:
        text = (site / f"{page.stem}.html").read_text(encoding="utf-8")
        assert '<figure class="diagram"><svg' in text
        # The theme fetches mermaid from another host for an element of this class.
        assert 'class="mermaid"' not in text


def test_what_pages_link_to_outside_docs_is_in_the_site(
    site: Path, documents: dict[str, Document]
) -> None:
    assert "repository/plugins/index.html" in documents
    links = [value for _, _, value in documents["architecture.html"].references]
    assert "repository/plugins/index.html" in links


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


# Every request to a host fails, as without a network.
_NO_NETWORK = "--host-resolver-rules=MAP * ~NOTFOUND"
_FETCHED_NAMES = "return performance.getEntriesByType('resource').map((one) => one.name)"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    if MISSING:
        pytest.skip(MISSING)
    with open_browser(tmp_path_factory.mktemp("profile"), _NO_NETWORK) as opened:
        yield opened


@pytest.mark.parametrize("page", ["architecture.html", "repository/plugins/index.html"])
def test_search_works_on_a_page_opened_from_a_disk(site: Path, browser: Any, page: str) -> None:
    browser.get((site / page).as_uri())
    field = browser.find_element("css selector", ".md-search__input")
    # In a narrow window the field is behind a button; a key of the theme's opens it in any.
    browser.find_element("tag name", "body").send_keys("f")
    field.send_keys("calibration")
    WebDriverWait(browser, HANG_S).until(
        lambda it: it.find_elements("css selector", ".md-search-result__link")
    )
    links = browser.find_elements("css selector", ".md-search-result__link")
    found = [urlsplit(link.get_attribute("href")) for link in links]
    assert any(posixpath.basename(one.path) == "quantization.html" for one in found)
    assert all(Path(unquote(one.path)).is_file() for one in found)
    assert browser.get_log("browser") == []
    assert all(name.startswith("file:") for name in browser.execute_script(_FETCHED_NAMES))


_COLOURS = """
return [[".diagram .node p", "color"], [".diagram .node rect", "fill"], ["body", "backgroundColor"]]
  .map(([selector, name]) => getComputedStyle(document.querySelector(selector))[name]);
"""


def test_a_diagram_is_readable_light_and_dark(site: Path, browser: Any) -> None:
    browser.get((site / "architecture.html").as_uri())
    diagram = browser.find_element("css selector", ".diagram svg")
    assert diagram.is_displayed()
    assert "kernels/cuda" in diagram.text
    for scheme in ("default", "slate"):
        browser.execute_script(f"document.body.dataset.mdColorScheme = '{scheme}'")
        text, box, page = map(rgba, browser.execute_script(_COLOURS))
        assert contrast(text, over(box, page)) >= 4.5, f"{scheme}: {text} on {box} on {page}"


_WRAPPED = """
return [...document.querySelectorAll("td code")]
  .filter((code) => code.getClientRects().length > 1).map((code) => code.textContent);
"""


def test_on_a_phone_names_stay_whole_and_nothing_leaves_the_page(site: Path, browser: Any) -> None:
    width = 400
    phone = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    try:
        for page in ("export.html", "quantization.html", "architecture.html"):
            browser.get((site / page).as_uri())
            # A phone widens its window to a page that is wider.
            assert browser.execute_script("return innerWidth") == width, page
            assert browser.execute_script(_WRAPPED) == [], page
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
