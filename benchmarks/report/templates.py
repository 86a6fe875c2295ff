"""Templates of Markdown, and how numbers are written in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

Json = dict[str, Any]


def rendered(template: str, **values: Any) -> str:
    """A page: no blanks at the ends of lines, one blank line where there were several."""
    text = environment().get_template(template).render(**values)
    kept: list[str] = []
    for line in (line.rstrip() for line in text.splitlines()):
        if line or (kept and kept[-1]):
            kept.append(line)
    return "\n".join(kept).rstrip() + "\n"


def environment() -> Environment:
    """Where the templates are, and what they can call."""
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # Markdown, from results of our own
        keep_trailing_newline=True,
    )
    made.filters |= {
        "digits": three_digits,
        "fixed": fixed,
        "spread": spread_text,
        "cell": cell,
    }
    return made


def three_digits(value: float | None) -> str:
    """A number with three significant digits, or all of its whole part; `-` for none."""
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def fixed(value: float, places: int) -> str:
    """A number with so many decimal places."""
    return f"{value:.{places}f}"


def spread_text(spread: Json | None, missing: str = "-") -> str:
    """`median (q25..q75)`, with as many places as the median needs."""
    if spread is None:
        return missing
    places = 0 if spread["median"] >= 1000 else 1 if spread["median"] >= 100 else 2
    low, middle, high = (fixed(spread[key], places) for key in ("q25", "median", "q75"))
    return f"{middle} ({low}..{high})"


def cell(text: str | None) -> str:
    """A text on one line that does not end its cell of a table."""
    return " ".join((text or "").replace("|", "/").split())
