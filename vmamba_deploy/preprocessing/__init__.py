"""From an image file to `pixel_values`, as docs/preprocessing.md specifies.

`samples/cpp` implements it once more in C++; tests hold the two together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vmamba_deploy.preprocessing.specification import (
    DETECTION_PREPROCESSING,
    IMAGENET_PREPROCESSING,
    INTERPOLATIONS,
    MAX_PIXELS,
    OPENCV_BILINEAR,
    SEGMENTATION_PREPROCESSING,
    Preprocessing,
)

if TYPE_CHECKING:
    from vmamba_deploy.preprocessing.decode import ImageSource, read_image
    from vmamba_deploy.preprocessing.transform import (
        PreparedImage,
        normalise,
        prepare,
        preprocess,
        resize_and_crop,
    )

# Their modules import NumPy and Pillow; presets and the command line must not pay for that.
_LAZY = {
    "ImageSource": "decode",
    "PreparedImage": "transform",
    "normalise": "transform",
    "prepare": "transform",
    "preprocess": "transform",
    "read_image": "decode",
    "resize_and_crop": "transform",
}

__all__ = [
    "DETECTION_PREPROCESSING",
    "IMAGENET_PREPROCESSING",
    "INTERPOLATIONS",
    "MAX_PIXELS",
    "OPENCV_BILINEAR",
    "SEGMENTATION_PREPROCESSING",
    "ImageSource",
    "PreparedImage",
    "Preprocessing",
    "normalise",
    "prepare",
    "preprocess",
    "read_image",
    "resize_and_crop",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
