"""Small pictures of images, to stand in a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.evaluation.report_data import Thumbnail
from vmamba_deploy.evaluation.samples import DataSet
from vmamba_deploy.preprocessing import MAX_PIXELS, read_image

SIDE_PIXELS = 96


def make_thumbnails(
    data: DataSet[Any], indices: Iterable[int], *, max_pixels: int = MAX_PIXELS
) -> tuple[Thumbnail, ...]:
    """PNGs whose longer side has 96 pixels, as data URIs.

    Smaller images are enlarged pixel by pixel, so that one sees what the network saw. An image that
    can no longer be read is left out.
    """
    made = []
    for index in indices:
        try:
            uri = _thumbnail(data.samples[index].path, max_pixels)
        except InputFileError:
            continue
        made.append(Thumbnail(index, uri))
    return tuple(made)


def _thumbnail(path: Path, max_pixels: int) -> str:
    from PIL import Image

    image = Image.fromarray(read_image(path, max_pixels=max_pixels))
    scale = SIDE_PIXELS / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    method = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BOX
    content = io.BytesIO()
    image.resize((width, height), method).save(content, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()
