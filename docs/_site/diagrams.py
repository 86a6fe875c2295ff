"""Hook of mkdocs: a fence in mermaid becomes an SVG in the page, drawn when the site is built.

The theme alone would fetch mermaid from another host. Colours and lines are those of `site.css`, so
that a diagram follows the page to dark and back.
"""

from __future__ import annotations

import re
from itertools import count
from typing import Any

import mermaidx

_THEIR_ID = "my-svg"
_THEIR_STYLE = re.compile(r"<style>.*?</style>", re.DOTALL)
_numbers = count(1)


def on_config(config: Any) -> Any:
    """Draw the fences that the configuration names `mermaid`."""
    for fence in config.mdx_configs["pymdownx.superfences"]["custom_fences"]:
        if fence["name"] == "mermaid":
            fence["format"] = draw
    return config


def draw(source: str, *_others: Any, **_more: Any) -> str:
    """A diagram as HTML.

    Raises:
        RuntimeError: it is no mermaid; superfences then leaves the fence as it is.
    """
    svg = mermaidx.render(source).svg()
    svg = _THEIR_STYLE.sub("", svg).replace(_THEIR_ID, f"diagram-{next(_numbers)}")
    return f'<figure class="diagram">{svg}</figure>'
