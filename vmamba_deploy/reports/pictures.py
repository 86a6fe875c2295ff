"""Pictures of a report: labels laid over a photograph and where they differ, boxes of both."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vmamba_deploy.parity.exhibits import Exhibit
from vmamba_deploy.tasks import DETECTION, SEGMENTATION
from vmamba_deploy.tasks.palette import Palette, class_colour

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = npt.NDArray[np.uint8]

_LONGEST_SIDE = 480
_THUMBNAIL_SIDE = 160
_JPEG_QUALITY = 88
_DIFFERENT = (255, 32, 48)
_REFERENCE, _CANDIDATE = (40, 200, 90), (255, 140, 0)
_DETECTIONS_SHOWN = 20
_TINT = 0.55


@dataclass(frozen=True)
class Part:
    """One picture; `uri` embeds it in a page."""

    title: str
    uri: str


@dataclass(frozen=True)
class Picture:
    """What a report shows of one runtime."""

    caption: str
    parts: tuple[Part, ...]


def draw(exhibits: Sequence[Exhibit], task: str, palette: Palette | None = None) -> list[Picture]:
    """Pictures of what runtimes gave; none for a task whose answers are no pictures.

    Args:
        exhibits: one a runtime.
        task: its name.
        palette: (r, g, b) of each class; None: colours of our own.
    """
    drawing = _DRAWINGS.get(task)
    return [drawing(one, palette) for one in exhibits] if drawing is not None else []


def thumbnail(pixels: Pixels) -> str:
    """A small copy of [H,W,3] that embeds itself in a page."""
    return _uri(_image(pixels, longest=_THUMBNAIL_SIDE))


def _draw_labels(one: Exhibit, palette: Palette | None) -> Picture:
    name = SEGMENTATION.outputs[0].name
    expected, got = one.expected[name], one.got[name]
    differs = expected != got
    grey = np.repeat(one.pixels.mean(axis=2, keepdims=True) * 0.45, 3, axis=2).astype(np.uint8)
    grey[differs] = _DIFFERENT
    count = int(differs.sum())
    return Picture(
        f"{one.runtime}, {one.photo}: {count:,} of {differs.size:,} pixels differ",
        (
            _part("PyTorch fp32", _overlay(one.pixels, expected, palette)),
            _part(one.runtime, _overlay(one.pixels, got, palette)),
            _part("differing pixels in red", grey, keep=differs),
        ),
    )


def _overlay(pixels: Pixels, labels: npt.NDArray[Any], palette: Palette | None) -> Pixels:
    names, places = np.unique(labels, return_inverse=True)
    colours = np.array([class_colour(int(name), palette) for name in names])[places]
    mixed = pixels * (1 - _TINT) + colours.reshape(pixels.shape) * _TINT
    return np.asarray(mixed, dtype=np.uint8)


def _draw_detections(one: Exhibit, _palette: Palette | None) -> Picture:
    from PIL import ImageDraw

    height, width = one.size
    image = _image(one.pixels[:height, :width])
    scale = max(image.size) / max(one.size)
    pen = ImageDraw.Draw(image)
    for outputs, colour, line in ((one.expected, _REFERENCE, 4), (one.got, _CANDIDATE, 1)):
        count = min(int(outputs["count"]), _DETECTIONS_SHOWN)
        for box in outputs["boxes"][:count] * scale:
            left, top, right, bottom = (float(side) for side in box)
            if left <= right and top <= bottom:
                pen.rectangle((left, top, right, bottom), outline=colour, width=line)
    numbers = [int(side["count"]) for side in (one.expected, one.got)]
    return Picture(
        f"{one.runtime}, {one.photo}: {numbers[0]} detections in PyTorch, {numbers[1]} here",
        (
            Part(
                f"the {_DETECTIONS_SHOWN} highest scores of each: PyTorch fp32 thick and green, "
                f"{one.runtime} thin and orange on it",
                _uri(image),
            ),
        ),
    )


_DRAWINGS: Mapping[str, Callable[[Exhibit, Palette | None], Picture]] = MappingProxyType(
    {SEGMENTATION.name: _draw_labels, DETECTION.name: _draw_detections}
)


def _part(title: str, pixels: Pixels, keep: npt.NDArray[np.bool_] | None = None) -> Part:
    return Part(title, _uri(_image(pixels, keep)))


def _image(
    pixels: Pixels, keep: npt.NDArray[np.bool_] | None = None, longest: int = _LONGEST_SIDE
) -> Image:
    """As an image whose longer side has a limit; pixels to keep are not averaged away."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(pixels))
    scale = min(1.0, longest / max(image.size))
    width, height = (max(1, round(side * scale)) for side in image.size)
    small = image.resize((width, height), Image.Resampling.BOX)
    if keep is not None and scale < 1:
        rows, columns = np.nonzero(keep)
        shrunk = np.array(small)
        shrunk[rows * height // keep.shape[0], columns * width // keep.shape[1]] = _DIFFERENT
        small = Image.fromarray(shrunk)
    return small


def _uri(image: Image) -> str:
    content = io.BytesIO()
    image.save(content, format="JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(content.getvalue()).decode()
