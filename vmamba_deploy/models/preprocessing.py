"""How an image becomes `pixel_values`, as data. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Preprocessing:
    """Evaluation preprocessing of a classifier.

    The shorter side is resized to `resize_pixels`, the centre `crop_pixels` square is cut out,
    scaled to 0..1 and normalised per RGB channel: (value - mean) / std.
    """

    crop_pixels: int = 224
    resize_pixels: int = 256
    interpolation: str = "bicubic"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)


IMAGENET_PREPROCESSING = Preprocessing()
