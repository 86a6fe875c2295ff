"""Colours of classes."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

Colour = tuple[int, int, int]
Palette = Sequence[Colour]
"""(red, green, blue) of each class, 0 to 255."""

_GOLDEN = 0.618034  # of the circle of hues: classes with near numbers get far ones


def class_colour(index: int, palette: Palette | None) -> Colour:
    """Of the palette; where it has none, one of our own that is the same every time."""
    if palette is not None and 0 <= index < len(palette):
        return palette[index]
    red, green, blue = colorsys.hsv_to_rgb(index * _GOLDEN % 1, 0.65, 0.95)
    return int(red * 255), int(green * 255), int(blue * 255)
