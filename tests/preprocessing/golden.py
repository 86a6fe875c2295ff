"""The golden table of tests/data/preprocessing, read."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.preprocessing.golden_images import LARGE, write_image
from vmamba_deploy.preprocessing import Preprocessing

FOLDER = Path(__file__).resolve().parents[1] / "data" / "preprocessing"


@dataclass(frozen=True)
class Row:
    """One image and what it is preprocessed to."""

    name: str
    committed: bool
    upright: tuple[int, int]
    spec: Preprocessing
    sha256: str
    pixels: tuple[tuple[int, ...], ...]

    def __str__(self) -> str:
        height, width = self.spec.crop_pixels
        kind = f"{self.spec.interpolation}-{self.spec.channels}{'-stretched' * self.spec.stretched}"
        fit = "" if self.spec.fit is None else f"-{self.spec.fit}{'-fixed' * self.spec.fixed}"
        return f"{self.name}-{height}x{width}-{kind}{fit}"

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of what the table describes: the crop, or what fits, not padded."""
        return self.spec.crop_pixels if self.spec.fit is None else self.spec.resized(*self.upright)

    def check(self, crop: npt.NDArray[np.uint8]) -> None:
        """Fail where uint8 [H,W,C] is not what the table says, naming a pixel that shows it."""
        assert crop.shape == (*self.size, self.spec.channels)
        for y, x, *channels in self.pixels:
            assert crop[y, x].tolist() == channels, f"{self} at {y}, {x}"
        assert hashlib.sha256(crop.tobytes()).hexdigest() == self.sha256, str(self)


def read_table() -> list[Row]:
    """Every row."""
    return [_row(fields) for fields in json.loads((FOLDER / "golden.json").read_text())]


def files_of(rows: list[Row], folder: Path) -> dict[str, Path]:
    """The file of each image; those that are not committed are written into `folder`."""
    files = {}
    for row in rows:
        if row.name in files:
            continue
        files[row.name] = (FOLDER if row.committed else folder) / row.name
        if not row.committed:
            write_image(files[row.name], LARGE[row.name])
    return files


def _row(fields: dict[str, Any]) -> Row:
    height, width = fields["crop"]
    upright_height, upright_width = fields["upright_height_width"]
    return Row(
        fields["name"],
        fields["committed"],
        (upright_height, upright_width),
        Preprocessing(
            crop_pixels=(height, width),
            resize_pixels=fields["resize"],
            interpolation=fields.get("interpolation", "bicubic"),
            stretched=fields.get("stretched", False),
            fit=None if (fit := fields.get("fit")) is None else (fit[0], fit[1]),
            pad=fields.get("pad", 1),
            fixed=fields.get("fixed", False),
        ).for_channels(fields.get("channels", 3)),
        fields["sha256"],
        tuple(tuple(pixel) for pixel in fields["pixels"]),
    )
