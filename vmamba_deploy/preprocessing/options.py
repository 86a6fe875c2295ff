"""What a user says of the preprocessing, where the weights say nothing or something else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from vmamba_deploy.errors import UsageError
from vmamba_deploy.preprocessing.specification import Preprocessing

CENTER, STRETCH = "center", "none"
"""Words for `PreprocessingOptions.crop`."""


@dataclass(frozen=True)
class PreprocessingOptions:
    """Parts of a preprocessing, each as its option of `vmamba-deploy export`; None: as it is.

    Attributes:
        mean: of pixel values in 0..1, one for all channels or one for each.
        std: likewise.
        resize: length of the shorter side, in pixels; of an image that has to fit, what its shorter
            side has to fit in, and the longer one in proportion.
        interpolation: one of `INTERPOLATIONS`.
        crop: `center` cuts the centre out of the resized image; `none` resizes straight to the
            network's size; a number is the share of the resized side that the network sees, which
            timm calls crop_pct.

    Raises:
        UsageError: a value that no network can have, or two that contradict each other.
    """

    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    resize: int | None = None
    interpolation: str | None = None
    crop: str | float | None = None

    def __post_init__(self) -> None:
        if self.resize is not None and self.crop not in (None, CENTER):
            raise UsageError(
                f"--resize and --crop {self.crop} both say what the image is resized to",
                hint="drop one of them",
            )
        if isinstance(self.crop, float) and not 0 < self.crop <= 1:
            raise UsageError(f"--crop must be {CENTER}, {STRETCH}, or above 0 and at most 1")
        channels = max(len(self.mean or (0,)), len(self.std or (0,)))
        smallest = Preprocessing(crop_pixels=(1, 1), mean=(0,) * channels, std=(1,) * channels)
        self.applied(smallest)

    def applied(self, own: Preprocessing) -> Preprocessing:
        """`own`, which is for the network's size and channels, with what the options say.

        Raises:
            UsageError: another number of means than channels, a resize below the size, or a crop
                of an image that has to fit.
        """
        if own.fit is not None:
            return self._changed(own, fit=self._fit(own.fit))
        side, resize = min(own.crop_pixels), self.resize
        if isinstance(self.crop, float):
            resize = int(side / self.crop)
        if resize is not None and resize < side:
            raise UsageError(
                f"--resize {resize} is below the image size {side}: a black margin would remain",
                hint="give at least the image size",
            )
        stretched = own.stretched and resize is None if self.crop is None else self.crop == STRETCH
        return self._changed(
            own,
            resize_pixels=own.resize_pixels if resize is None else resize,
            stretched=stretched,
        )

    def _fit(self, own: tuple[int, int]) -> tuple[int, int]:
        for option, said in (("crop", self.crop), ("interpolation", self.interpolation)):
            if said is not None:
                raise UsageError(
                    f"--{option} {said} is not for this network: its pictures are whole, keep "
                    "their ratio, and are resized as OpenCV does",
                    hint="--resize says what the shorter side has to fit in",
                )
        longest, shortest = own
        return own if self.resize is None else (longest * self.resize // shortest, self.resize)

    def _changed(self, own: Preprocessing, **sizes: Any) -> Preprocessing:
        try:
            return replace(
                own,
                mean=own.mean if self.mean is None else _each("mean", self.mean, own.channels),
                std=own.std if self.std is None else _each("std", self.std, own.channels),
                interpolation=self.interpolation or own.interpolation,
                **sizes,
            )
        except ValueError as error:
            raise UsageError(str(error), hint=_HINT) from error


_HINT = "give --mean and --std of values from 0 to 1; of 0 to 255, divide them by 255"


def _each(name: str, values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    if len(values) not in (1, channels):
        raise UsageError(
            f"--{name} has {len(values)} values, but the network takes {channels} channels",
            hint=f"give one value, or {channels}",
        )
    return values if len(values) == channels else values * channels
