"""How an image becomes `pixel_values`, as data. Imports nothing heavy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from vmamba_deploy.errors import IntegrityError, UsageError

SPECIFICATION = 3
"""Version of docs/preprocessing.md that this release implements; it reads the earlier ones."""

INTERPOLATIONS = ("bilinear", "hamming", "bicubic", "lanczos")
"""Filters of Pillow, by its names: those that the published evaluation can be told to take."""

OPENCV_BILINEAR = "opencv_bilinear"
"""What an image is made to fit with, and nothing else: see `opencv_bilinear.py`."""

MAX_PIXELS = 178_956_970
"""Of an image as decoded and as resized; the point from which Pillow refuses to decode."""

MAX_SIDE = 1 << 16
"""Pixels of a side that a manifest may name."""

GREY, RGB = 1, 3
"""Channels of the networks that take image files; others take arrays."""

_COLOURS = {GREY: " grey", RGB: " RGB"}
_UNRESIZED_SIDE = 32


@dataclass(frozen=True)
class Preprocessing:
    """Evaluation preprocessing of a network (docs/preprocessing.md).

    Attributes:
        crop_pixels: (height, width) of the centre that is cut out, the network's input. With `fit`:
            of the frame where it is `fixed`; else a usual input, for nothing is cut out.
        resize_pixels: length that the shorter side is resized to before.
        interpolation: one of `INTERPOLATIONS`, antialiased; with `fit` it is `OPENCV_BILINEAR`.
        mean: per channel, of values in 0..1.
        std: per channel; a value becomes (value - mean) / std.
        normalisation_in_graph: the model takes uint8 [B,H,W,C] and does the last step itself.
        stretched: the image is resized straight to `crop_pixels`, whatever its shape, and
            nothing is cut off; `resize_pixels` has no meaning then.
        fit: (longest, shortest) in pixels. The image keeps its ratio and becomes as large as fits:
            its longer side at most the one, its shorter side at most the other. `resize_pixels` has
            no meaning then.
        pad: with `fit`: zeros at the right and at the bottom, after the normalisation, make each
            side a multiple of so many pixels.
        fixed: with `fit`: the image fits into the frame `crop_pixels` too, and zeros fill that.

    Raises:
        ValueError: a value out of its range; the message names it.
    """

    crop_pixels: tuple[int, int] = (224, 224)
    resize_pixels: int = 256
    interpolation: str = "bicubic"
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    normalisation_in_graph: bool = False
    stretched: bool = False
    fit: tuple[int, int] | None = None
    pad: int = 1
    fixed: bool = False

    def __post_init__(self) -> None:
        if min(*self.crop_pixels, self.resize_pixels) < 1:
            raise ValueError("crop_pixels and resize_pixels must be at least 1")
        possible = (OPENCV_BILINEAR,) if self.fit else INTERPOLATIONS
        if self.interpolation not in possible:
            raise ValueError(
                f"interpolation {self.interpolation!r} is not one of {', '.join(possible)}"
            )
        self._check_fit()
        if not self.mean or len(self.mean) != len(self.std):
            raise ValueError("mean and std must have one value for each channel")
        if not all(0 <= value <= 1 for value in self.mean):
            raise ValueError(f"mean {_listed(self.mean)} must be of pixel values from 0 to 1")
        if not all(0 < value < math.inf for value in self.std):
            raise ValueError(f"std {_listed(self.std)} must be finite and above 0")

    def _check_fit(self) -> None:
        if self.fit is None:
            if self.pad != 1 or self.fixed:
                raise ValueError("pad and fixed go with fit alone")
            return
        longest, shortest = self.fit
        if not 1 <= shortest <= longest <= MAX_SIDE or not 1 <= self.pad <= MAX_SIDE:
            raise ValueError(f"fit and pad must be from 1 to {MAX_SIDE}, the longest side first")
        if self.stretched:
            raise ValueError("an image that keeps its ratio to fit is not stretched")
        if self.normalisation_in_graph and (self.pad > 1 or self.fixed):
            raise ValueError(
                "a network that normalises bytes itself cannot have the padding, which is zero "
                "after the normalisation"
            )

    @property
    def channels(self) -> int:
        """C, the channels of the network's input."""
        return len(self.mean)

    @property
    def specification(self) -> int:
        """The earliest version of docs/preprocessing.md that can say it."""
        if self.fit is not None:
            return 3
        earliest = self.interpolation == "bicubic" and self.channels == RGB and not self.stretched
        return 1 if earliest else 2

    @classmethod
    def from_manifest(cls, fields: Mapping[str, Any]) -> Preprocessing:
        """Read the manifest's `preprocessing`.

        Raises:
            IntegrityError: it follows a later specification, or says what its own cannot.
        """
        version = fields.get("specification", 1)
        height, width = fields["crop_pixels"]
        fit = fields.get("fit")
        try:
            read = cls(
                crop_pixels=(height, width),
                resize_pixels=fields["resize_pixels"],
                interpolation=fields["interpolation"],
                mean=tuple(fields["mean"]),
                std=tuple(fields["std"]),
                normalisation_in_graph=bool(fields.get("normalisation_in_graph", False)),
                stretched=bool(fields.get("stretched", False)),
                fit=None if fit is None else (fit[0], fit[1]),
                pad=fields.get("pad", 1),
                fixed=bool(fields.get("fixed", False)),
            )
        except ValueError as error:
            raise IntegrityError(f"the manifest's preprocessing is unusable: {error}") from error
        if not read.specification <= version <= SPECIFICATION:
            raise IntegrityError(
                f"the manifest's preprocessing (specification {version}, {read.interpolation}, "
                f"{read.channels} channels) is not the one of this release "
                f"(specification {SPECIFICATION})",
                hint="use the release that wrote it, or export again",
            )
        return read

    def as_manifest(self) -> dict[str, Any]:
        """The manifest's `preprocessing`."""
        layout = "NHWC uint8" if self.normalisation_in_graph else "NCHW float32"
        return {
            "specification": self.specification,
            "crop_pixels": list(self.crop_pixels),
            "resize_pixels": self.resize_pixels,
            "interpolation": self.interpolation,
            "mean": list(self.mean),
            "std": list(self.std),
            "normalisation_in_graph": self.normalisation_in_graph,
            "layout": layout + _COLOURS.get(self.channels, ""),
            **({"stretched": True} if self.stretched else {}),
            **({} if self.fit is None else self._fit_as_manifest(self.fit)),
        }

    def _fit_as_manifest(self, fit: tuple[int, int]) -> dict[str, Any]:
        return {"fit": list(fit), "pad": self.pad, "fixed": self.fixed}

    def for_channels(self, channels: int) -> Preprocessing:
        """The same for a network whose input has another number of channels, as timm does it.

        Twice as many: mean and std twice; else the average of each, in every channel.
        """
        if channels == self.channels:
            return self
        if channels == 2 * self.channels:
            return replace(self, mean=self.mean * 2, std=self.std * 2)
        means, stds = ((sum(each) / len(each),) * channels for each in (self.mean, self.std))
        return replace(self, mean=means, std=stds)

    def require_files(self, hint: str) -> None:
        """Raise UsageError, with that hint, where no image file can be an input."""
        if self.channels not in (GREY, RGB):
            raise UsageError(
                f"the network takes {self.channels} channels; image files are for networks of 1 "
                "(grey) or 3 (RGB)",
                hint=hint,
            )

    def for_size(self, size: tuple[int, int]) -> Preprocessing:
        """The same for a network that takes (height, width).

        What is resized as published stays so; else the ratio of resize to crop is kept, rounded
        down. What an image has to fit in stays.
        """
        if size == self.crop_pixels:
            return self
        if self.fit is not None:
            return replace(self, crop_pixels=size)
        before, after = min(self.crop_pixels), min(size)
        if self.resize_pixels == published_resize(before):
            resize_pixels = published_resize(after)
        else:
            resize_pixels = max(1, int((self.resize_pixels / before) * after))
        return replace(self, crop_pixels=size, resize_pixels=resize_pixels)

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) that an image of the given size is resized to.

        A stretched one gets the crop's own size; one that has to fit the largest that does, of at
        least one pixel a side. Else, for a square crop, the shorter side becomes
        `resize_pixels` and the longer one is rounded down; for another crop the image is made just
        large enough to leave the same margin.
        """
        if self.stretched:
            return self.crop_pixels
        if self.fit is not None:
            return self._fitted(height, width, self.fit)
        shorter = min(self.crop_pixels)
        target_height = self.resize_pixels * self.crop_pixels[0] // shorter
        target_width = self.resize_pixels * self.crop_pixels[1] // shorter
        if target_width * height >= target_height * width:
            return target_width * height // width, target_width
        return target_height, target_height * width // height

    def _fitted(self, height: int, width: int, fit: tuple[int, int]) -> tuple[int, int]:
        longest, shortest = fit
        factor = min(longest / max(height, width), shortest / min(height, width))
        if self.fixed:
            factor = min(factor, self.crop_pixels[0] / height, self.crop_pixels[1] / width)
        return max(1, int(height * factor + 0.5)), max(1, int(width * factor + 0.5))

    def padded(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) of the network's input for an image resized to the given size."""
        if self.fit is None or self.fixed:
            return self.crop_pixels
        return -(-height // self.pad) * self.pad, -(-width // self.pad) * self.pad


def published_resize(side: int) -> int:
    """What the published evaluation resizes the shorter side to, for a network of that side.

    Up to a side of 32 it takes images as they are, so they must have that side already.
    """
    return int((256 / 224) * side) if side > _UNRESIZED_SIDE else side


def _listed(values: tuple[float, ...]) -> str:
    return ",".join(f"{value:g}" for value in values)


IMAGENET_PREPROCESSING = Preprocessing()

SEGMENTATION_PREPROCESSING = Preprocessing(
    crop_pixels=(512, 512), interpolation=OPENCV_BILINEAR, fit=(2048, 512)
)
"""Of the published networks for ADE20K: the test pipeline of their configurations."""

DETECTION_PREPROCESSING = Preprocessing(
    crop_pixels=(800, 1088), interpolation=OPENCV_BILINEAR, fit=(1333, 800), pad=32
)
"""Of the published networks for COCO; a picture of 480 x 640 gets the size that stands here."""
