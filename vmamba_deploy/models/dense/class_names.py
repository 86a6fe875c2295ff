"""What the classes of the usual data sets are called, and the colours that show them."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

from vmamba_deploy.models.family import ClassNames


@cache
def ade20k() -> ClassNames:
    """The 150 classes of ADE20K's scene parsing, and the colours of its tools."""
    return _read("ade20k.json")


@cache
def coco() -> ClassNames:
    """The 80 classes of COCO's objects."""
    return _read("coco.json")


def _read(name: str) -> ClassNames:
    document = json.loads((files(__package__) / "data" / name).read_text(encoding="utf-8"))
    colours = document.get("palette")
    palette = None if colours is None else tuple((r, g, b) for r, g, b in colours)
    return ClassNames(tuple(document["classes"]), palette)
