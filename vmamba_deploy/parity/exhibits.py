"""What a reader of a report may look at: a photograph with both answers to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vmamba_deploy.parity.inputs import PHOTOS, InputSet
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
    """Keeps the first photograph of every runtime, while a comparison tells of its sets.

    Args:
        preprocessing: of the network, to undo its normalisation; None: it is shown no photographs.
    """

    def __init__(self, preprocessing: Preprocessing | None) -> None:
        self._preprocessing = preprocessing
        self._kept: dict[str, Exhibit] = {}

    def __call__(
        self,
        runtime: str,
        one: InputSet,
        expected: Mapping[str, npt.NDArray[Any]],
        got: Mapping[str, npt.NDArray[Any]],
    ) -> None:
        """A `Witness` of `compare_runtimes`."""
        if runtime in self._kept or one.images[0] not in PHOTOS or self._preprocessing is None:
            return
        pixels = _picture(one.pixel_values[0], self._preprocessing)
        height, width = pixels.shape[:2]
        if SIZES.name in one.others:
            height, width = (int(side) for side in one.others[SIZES.name][0])
        self._kept[runtime] = Exhibit(
            runtime,
            one.images[0],
            pixels,
            (height, width),
            {name: array[0] for name, array in expected.items()},
            {name: array[0] for name, array in got.items()},
        )

    @property
    def kept(self) -> tuple[Exhibit, ...]:
        """One a runtime, in the order in which they ran."""
        return tuple(self._kept.values())


def _picture(pixel_values: npt.NDArray[Any], preprocessing: Preprocessing) -> npt.NDArray[np.uint8]:
    """[H,W,3] of what the network takes; of other channels than three, the first as grey."""
    values = pixel_values
    if values.dtype != np.uint8:
        mean, std = (np.asarray(one) for one in (preprocessing.mean, preprocessing.std))
        scaled = (values.transpose(1, 2, 0) * std + mean) * 255
        values = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return values if values.shape[2] == 3 else np.repeat(values[:, :, :1], 3, axis=2)
