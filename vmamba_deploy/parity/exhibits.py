"""What a reader of a report may look at: photographs with both answers to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vmamba_deploy.parity.inputs import PHOTOS
from vmamba_deploy.parity.witness import Compared
from vmamba_deploy.preprocessing import Preprocessing
from vmamba_deploy.tasks.inputs import SIZES


@dataclass(frozen=True)
class Exhibit:
    """One photograph and what the reference and a runtime made of it.

    Attributes:
        runtime: the candidate's name.
        photo: the photograph's name.
        pixels: [H,W,3] uint8 RGB, as the network saw it, padding included.
        size: height and width without the padding.
        expected, got: the outputs of both for this image, by name, without the batch.
    """

    runtime: str
    photo: str
    pixels: npt.NDArray[np.uint8]
    size: tuple[int, int]
    expected: Mapping[str, npt.NDArray[Any]]
    got: Mapping[str, npt.NDArray[Any]]


class Exhibits:
    """Keeps the first photographs of every runtime, while a comparison tells of its sets.

    Args:
        preprocessing: of the network, to undo its normalisation; None: it is shown no photographs.
        photos: how many different ones to keep of a runtime.
    """

    def __init__(self, preprocessing: Preprocessing | None, photos: int = 1) -> None:
        self._preprocessing, self._photos = preprocessing, photos
        self._kept: dict[str, dict[str, Exhibit]] = {}

    def __call__(self, one: Compared) -> None:
        """A `Witness` of `compare_runtimes`."""
        if self._preprocessing is None:
            return
        kept = self._kept.setdefault(one.runtime, {})
        for place, photo in enumerate(one.inputs.images):
            if photo not in PHOTOS or photo in kept or len(kept) == self._photos:
                continue
            pixels = _picture(one.inputs.pixel_values[place], self._preprocessing)
            height, width = pixels.shape[:2]
            if SIZES.name in one.inputs.others:
                height, width = (int(side) for side in one.inputs.others[SIZES.name][place])
            kept[photo] = Exhibit(
                one.runtime,
                photo,
                pixels,
                (height, width),
                {name: array[place] for name, array in one.expected.items()},
                {name: array[place] for name, array in one.got.items()},
            )

    @property
    def kept(self) -> tuple[Exhibit, ...]:
        """Of each runtime in the order in which they ran, its photographs."""
        return tuple(one for photos in self._kept.values() for one in photos.values())


def _picture(pixel_values: npt.NDArray[Any], preprocessing: Preprocessing) -> npt.NDArray[np.uint8]:
    """[H,W,3] of what the network takes; of other channels than three, the first as grey."""
    values = pixel_values
    if values.dtype != np.uint8:
        mean, std = (np.asarray(one) for one in (preprocessing.mean, preprocessing.std))
        scaled = (values.transpose(1, 2, 0) * std + mean) * 255
        values = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return values if values.shape[2] == 3 else np.repeat(values[:, :, :1], 3, axis=2)
