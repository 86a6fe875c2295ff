"""PNG files of results, in a folder that the user names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vmamba_deploy.artifacts.atomic import atomic_write, make_folder
from vmamba_deploy.inference.overlay import draw_detections, draw_label_map, draw_segmentation
from vmamba_deploy.preprocessing import read_image

if TYPE_CHECKING:
    from PIL import Image

    from vmamba_deploy.inference import Detections, Segmentation
    from vmamba_deploy.tasks.palette import Palette


class DrawnImages:
    """Writes `NAME.overlay.png` and `NAME.labels.png` for images of a run.

    Images of one name in different folders get a number behind it.

    Args:
        folder: made where it is not there.
        max_pixels: largest height times width of an image.

    Raises:
        UsageError: the folder cannot be made.
    """

    def __init__(self, folder: Path, max_pixels: int) -> None:
        make_folder(folder)
        self._folder, self._max_pixels = folder, max_pixels
        self._written: set[str] = set()

    def segmentation(self, image: Path, result: Segmentation) -> Path:
        """The image with each pixel tinted in its class's colour."""
        pixels = read_image(image, max_pixels=self._max_pixels)
        return self._write(image, "overlay", draw_segmentation(pixels, result))

    def label_map(self, image: Path, result: Segmentation) -> Path:
        """The classes as grey values: 8 bits, 16 where there are more than 256."""
        return self._write(image, "labels", draw_label_map(result))

    def detections(self, image: Path, found: Detections, palette: Palette | None) -> Path:
        """The image with masks, boxes, names and scores."""
        pixels = read_image(image, max_pixels=self._max_pixels)
        return self._write(image, "overlay", draw_detections(pixels, found, palette))

    def _write(self, image: Path, kind: str, drawing: Image.Image) -> Path:
        name, number = f"{image.stem}.{kind}.png", 2
        while name in self._written:
            name, number = f"{image.stem}-{number}.{kind}.png", number + 1
        self._written.add(name)
        path = self._folder / name
        with atomic_write(path) as temporary:
            drawing.save(temporary, format="PNG")
        return path
