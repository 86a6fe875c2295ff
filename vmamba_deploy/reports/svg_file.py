"""Plots as SVG files that are readable on a light page and on a dark one."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from vmamba_deploy.artifacts.atomic import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_METADATA = {"Date": None, "Creator": None}
# A page shows the file as an image: the media query follows the page's scheme, not its stylesheets.
_STYLE = (
    "svg{color:#1c2430;fill:currentColor}@media (prefers-color-scheme:dark){svg{color:#e5e9ef}}"
)
_STYLES_BEGIN = '<style type="text/css">'


def save_svg(figure: Figure, path: Path) -> None:
    """Write an SVG file that appears whole or not at all; equal drawings are equal bytes.

    What was drawn in black takes the colour of text, light or dark; white areas are left out.
    """
    import matplotlib as mpl

    text = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": path.name}):
        figure.savefig(text, format="svg", metadata=_METADATA, bbox_inches="tight")
    with atomic_write(path) as partial:
        partial.write_text(for_any_page(text.getvalue()), encoding="utf-8")


def for_any_page(svg: str) -> str:
    """A drawing of matplotlib's for light and dark."""
    # Black shapes name their colour, black text is drawn in what the root fills with.
    svg = svg.replace("#000000", "currentColor").replace("fill: #ffffff", "fill: none")
    return svg.replace(_STYLES_BEGIN, _STYLES_BEGIN + _STYLE, 1)
