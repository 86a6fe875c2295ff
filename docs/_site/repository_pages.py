"""Hooks of mkdocs: links from a page to files outside docs/ work in the site too.

Pages link as on a repository host, `../plugins/README.md`. What is linked to and lies outside docs/
joins the site under `repository/`, with what it links to in turn; files other than Markdown are
copied as they are. Links are rewritten to the places in the site.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

_PREFIX = "repository/"
_FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<=\]\()(?P<path>[^)\s#:]+)(?P<anchor>#[^)\s]*)?(?=\))")


def on_files(files: Files, *, config: Any) -> Files:
    """Add the linked files, and their pages to the navigation."""
    root = Path(config.docs_dir).parent
    docs = Path(config.docs_dir).name
    known = {f"{docs}/{file.src_uri}" for file in files}
    waiting, added = sorted(name for name in known if name.endswith(".md")), []
    while waiting:
        page = waiting.pop()
        for target in _targets(root, page):
            if target not in known and not target.startswith(f"{docs}/"):
                known.add(target)
                added.append(target)
                waiting += [target] if target.endswith(".md") else []
    for name in added:
        uri = _PREFIX + name
        files.append(File.generated(config, uri, abs_src_path=str(root / name)))
    pages = sorted(_PREFIX + name for name in added if name.endswith(".md"))
    if pages:
        config.nav.append({"In the repository": pages})
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, **_others: Any) -> str:
    """Point links at the places that the files have in the site."""
    root, docs = Path(config.docs_dir).parent, Path(config.docs_dir).name
    here = page.file.src_uri
    source = here.removeprefix(_PREFIX) if here.startswith(_PREFIX) else f"{docs}/{here}"

    def moved(link: re.Match[str]) -> str:
        target = _resolve(root, source, link["path"])
        if target is None:
            return link[0]  # mkdocs warns of it
        inside = target.startswith(f"{docs}/")
        uri = target.removeprefix(f"{docs}/") if inside else _PREFIX + target
        return posixpath.relpath(uri, posixpath.dirname(here) or ".") + (link["anchor"] or "")

    parts, end = [], 0
    for fence in _FENCE.finditer(markdown):
        parts += [_LINK.sub(moved, markdown[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, _LINK.sub(moved, markdown[end:])])


def _targets(root: Path, page: str) -> Iterator[str]:
    text = _FENCE.sub("", (root / page).read_text(encoding="utf-8"))
    for link in _LINK.finditer(text):
        target = _resolve(root, page, link["path"])
        if target is not None:
            yield target


def _resolve(root: Path, page: str, link: str) -> str | None:
    """A link's file relative to the checkout, a folder's README for a folder; None: no file."""
    target = posixpath.normpath(posixpath.join(posixpath.dirname(page), link))
    if target.startswith(".."):
        return None
    if (root / target).is_dir():
        target = f"{target}/README.md"
    return target if (root / target).is_file() else None
