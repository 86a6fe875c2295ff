"""What a network found, drawn on the picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from vmamba_deploy.tasks.detection import Detection
from vmamba_deploy.tasks.palette import Colour, Palette, class_colour
from vmamba_deploy.tasks.segmentation import Segmentation

Pixels = npt.NDArray[np.uint8]

_TINT = 0.5
"""Share of a colour that is laid over the picture."""


def draw_segmentation(pixels: Pixels, segmentation: Segmentation) -> Image.Image:
    """The picture with each pixel tinted in its class's colour.

    Args:
        pixels: [h,w,3] uint8, the picture as `read_image` gives it.
        segmentation: of the same picture.
    """
    labels, places = np.unique(segmentation.labels, return_inverse=True)
    colours = np.array([class_colour(int(each), segmentation.palette) for each in labels], np.uint8)
    tint = Image.fromarray(colours[places.reshape(segmentation.labels.shape)])
    return Image.blend(Image.fromarray(pixels), tint, _TINT)


def draw_label_map(segmentation: Segmentation) -> Image.Image:
    """The classes as grey values: 8 bits, 16 where there are more than 256."""
    labels = segmentation.labels
    return Image.fromarray(labels.astype(np.uint8 if labels.max() < 256 else np.uint16))


def draw_detections(
    pixels: Pixels, detections: Sequence[Detection], palette: Palette | None = None
) -> Image.Image:
    """The picture with masks, boxes, names and scores; the surest is drawn last.

    Args:
        pixels: [h,w,3] uint8, the picture as `read_image` gives it.
        detections: of the same picture, by falling score.
        palette: a colour for each class, where it is known.
    """
    tinted = pixels.copy()
    surest_last = detections[::-1]
    for one in surest_last:
        _tint(tinted, one.mask, class_colour(one.label, palette))
    image = Image.fromarray(tinted)
    pen = ImageDraw.Draw(image)
    line = max(2, min(image.size) // 300)
    font = ImageFont.load_default(max(11.0, min(image.size) / 40))
    for one in surest_last:
        _frame(pen, one, class_colour(one.label, palette), line, font)
    return image


def _tint(pixels: Pixels, mask: npt.NDArray[np.bool_], colour: Colour) -> None:
    mixed = pixels[mask] * (1 - _TINT) + np.array(colour) * _TINT
    pixels[mask] = mixed.astype(np.uint8)


def _frame(pen: ImageDraw.ImageDraw, one: Detection, colour: Colour, line: int, font: Any) -> None:
    left, top, right, bottom = one.box
    if left > right or top > bottom:
        return
    pen.rectangle(one.box, outline=colour, width=line)
    text = f"{one.name} {one.score:.2f}"
    box = pen.textbbox((0, 0), text, font=font)
    height = box[3] + line
    at = (left, top - height if top >= height else top)
    pen.rectangle((*at, at[0] + box[2] + 2 * line, at[1] + height), fill=colour)
    dark = sum(colour) < 384
    pen.text((at[0] + line, at[1]), text, fill=(255, 255, 255) if dark else (0, 0, 0), font=font)
