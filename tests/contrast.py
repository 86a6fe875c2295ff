"""How far colours are apart for a reader."""

from __future__ import annotations

import re

Colour = tuple[float, float, float, float]


def rgba(name: str) -> Colour:
    """A colour as a browser names it, `rgb(1, 2, 3)` or `rgba(1, 2, 3, 0.5)`: parts from 0 to 1."""
    red, green, blue, *alpha = (float(part) for part in re.findall(r"[\d.]+", name))
    return red / 255, green / 255, blue / 255, alpha[0] if alpha else 1.0


def hexadecimal(name: str) -> Colour:
    """A colour as a drawing names it: #102030."""
    red, green, blue = (int(name[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return red, green, blue, 1.0


def over(front: Colour, back: Colour) -> Colour:
    """What is seen of a colour on an opaque one."""
    alpha = front[3]
    red, green, blue = (
        alpha * a + (1 - alpha) * b for a, b in zip(front[:3], back[:3], strict=True)
    )
    return red, green, blue, 1.0


def contrast(first: Colour, second: Colour) -> float:
    """The ratio of WCAG 2 between two opaque colours."""
    low, high = sorted(_luminance(colour) for colour in (first, second))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: Colour) -> float:
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
