"""Images for the comparison: real photographs, noise and constant images, in named batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vmamba_deploy.errors import UsageError
from vmamba_deploy.preprocessing import (
    Preprocessing,
    normalise,
    read_image,
    resize_and_crop,
)
from vmamba_deploy.preprocessing.specification import GREY, RGB
from vmamba_deploy.tasks.inputs import SIZES, completed_inputs
from vmamba_deploy.tasks.task import Input

if TYPE_CHECKING:
    from PIL.Image import Image

ByteArray = npt.NDArray[np.uint8]

PHOTOS = ("cat", "coffee", "astronaut", "rocket", "retina", "galaxies")
"""Names of the photographs that travel with the package; LICENSES.md beside them has the terms."""

_NOISE = ("normal", "uniform")
_FLAT = ("black", "white")


@dataclass(frozen=True)
class InputSet:
    """One batch that every runtime is given.

    Attributes:
        name: unique among the sets of a comparison, `photos-b8`.
        pixel_values: [B, C, H, W] float32, normalised; or [B, H, W, C] uint8 for a model that does
            the preprocessing itself.
        images: what each image of the batch is, B names.
        others: the network's other inputs by name, where they are not left out.
    """

    name: str
    pixel_values: npt.NDArray[np.float32] | npt.NDArray[np.uint8]
    images: tuple[str, ...]
    others: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)

    @property
    def batch(self) -> int:
        """Images in the set."""
        return len(self.images)

    @property
    def flat(self) -> bool:
        """Whether every image is one colour, which makes rounding errors weigh far more."""
        return set(self.images) <= set(_FLAT)


def build_inputs(
    batches: Sequence[int],
    preprocessing: Preprocessing,
    *,
    seed: int = 0,
    raw: bool = False,
    inputs: Sequence[Input] = (),
    photos_only: bool = False,
) -> list[InputSet]:
    """Make the sets of a comparison.

    Each distinct batch size gives one set: the photographs first, then noise, repeated with fresh
    noise and mirrored photographs until the batch is full. The smallest batch size is also run on
    each kind of synthetic image alone, so batch 1 sees more than one photo; or, with photographs
    only, on another of those.

    Args:
        batches: batch sizes, usually the smallest, usual and largest of an engine's profile.
        preprocessing: of the model, for its size and channels. Where photographs keep their ratio
            they are made to fill that size as far as they can, so that all of a batch have it.
        seed: of the noise.
        raw: give uint8 images [B, H, W, C], for a model with the preprocessing in its graph.
        inputs: what the model takes beside the images.
        photos_only: neither noise nor images of one colour.

    Raises:
        UsageError: no batch size, or one below 1.
    """
    if not batches or min(batches) < 1:
        raise UsageError(f"batch sizes must be positive, got {list(batches)}")
    framed = _framed(preprocessing, raw)
    source = _ImageSource(framed, np.random.default_rng(seed), raw, inputs)
    sets = [
        source.batch(f"photos-b{batch}", source.mixed_names(batch, () if photos_only else _NOISE))
        for batch in sorted(set(batches))
    ]
    smallest, alone = min(batches), PHOTOS[1:2] if photos_only else (*_NOISE, *_FLAT)
    sets += [source.batch(f"{kind}-b{smallest}", (kind,) * smallest) for kind in alone]
    return sets


def _framed(preprocessing: Preprocessing, raw: bool) -> Preprocessing:
    """The same where every image gets the model's size, and fills as much of it as its ratio lets.

    A small picture in a large frame would be padding for the most part. Over thousands of equal
    steps a scan adds up the same rounding, so float32 itself proves less there (docs/parity.md).
    """
    if preprocessing.fit is None:
        return preprocessing
    if raw:  # zeros are padding after the normalisation alone
        return replace(preprocessing, fit=None, interpolation="bilinear", stretched=True)
    longest = max(preprocessing.crop_pixels)
    return replace(preprocessing, fit=(longest, longest), fixed=True)


def pictures(
    names: Sequence[str], preprocessing: Preprocessing, generator: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Named images [B,C,H,W], as they are prepared for a network."""
    source = _ImageSource(preprocessing, generator, raw=False, inputs=())
    return np.asarray(source.batch("", tuple(names)).pixel_values, dtype=np.float32)


def load_photo(name: str) -> Image:
    """Open a photograph of the package as an RGB Pillow image."""
    from PIL import Image

    resource = files("vmamba_deploy.parity") / "photos" / f"{name}.jpg"
    with resource.open("rb") as stream:
        return Image.open(stream).convert("RGB")


def photo_of_channels(name: str, channels: int) -> ByteArray:
    """A photograph [h, w, C]: grey, RGB, or for other C its colours again and again.

    Each repetition is turned upside down or mirrored, so that few channels are alike.
    """
    if channels in (GREY, RGB):
        return read_image(load_photo(name), channels)
    rgb = read_image(load_photo(name))
    turned = (rgb, rgb[::-1], rgb[:, ::-1], rgb[::-1, ::-1])
    return np.stack([turned[i // RGB % 4][..., i % RGB] for i in range(channels)], axis=-1)


class _ImageSource:
    """Makes images by name, each noise image a fresh one."""

    def __init__(
        self,
        preprocessing: Preprocessing,
        rng: np.random.Generator,
        raw: bool,
        inputs: Sequence[Input],
    ) -> None:
        self._size, self._channels, self._inputs = (
            preprocessing.crop_pixels,
            preprocessing.channels,
            inputs,
        )
        self._preprocessing, self._rng, self._raw = preprocessing, rng, raw
        self._photos: dict[str, ByteArray] = {}

    def mixed_names(self, count: int, noise: tuple[str, ...]) -> tuple[str, ...]:
        """Names of `count` images: photographs, noise, then the photographs mirrored and noise."""
        mirrored = (f"{photo}-mirrored" for photo in PHOTOS)
        cycle = (*PHOTOS, *noise, *mirrored, *noise)
        return tuple(cycle[index % len(cycle)] for index in range(count))

    def batch(self, name: str, images: tuple[str, ...]) -> InputSet:
        """Stack the named images."""
        pixels = np.stack([self._image(image) for image in images])
        given = {}
        if SIZES in self._inputs:
            given[SIZES.name] = np.array([self._picture_size(image) for image in images])
        others = completed_inputs(self._inputs, given, batch=len(images), size=self._size)
        return InputSet(name, pixels, images, others)

    def _picture_size(self, name: str) -> tuple[int, int]:
        """(height, width) of an image before it was padded."""
        photo = self._photos.get(name.removesuffix("-mirrored"))
        return self._size if photo is None else (photo.shape[0], photo.shape[1])

    def _image(self, name: str) -> Any:
        if name == "normal" and not self._raw:
            # Standard normal after normalisation: values that no 8-bit image can have.
            shape = (self._channels, *self._size)
            return self._rng.standard_normal(shape, dtype=np.float32)
        pixels = self._pixels(name)
        return pixels if self._raw else normalise(pixels, self._preprocessing)

    def _pixels(self, name: str) -> ByteArray:
        shape = (*self._size, self._channels)
        if name == "normal":
            values = self._rng.normal(128.0, 48.0, shape)
            return np.clip(values, 0, 255).astype(np.uint8)
        if name == "uniform":
            return self._rng.integers(0, 256, shape, dtype=np.uint8)
        if name in {"black", "white"}:
            return np.full(shape, 0 if name == "black" else 255, dtype=np.uint8)
        photo = name.removesuffix("-mirrored")
        if photo not in self._photos:
            image = photo_of_channels(photo, self._channels)
            self._photos[photo] = resize_and_crop(image, self._preprocessing)
        pixels = self._photos[photo]
        return pixels[:, ::-1] if photo != name else pixels


def shaken(one: InputSet, amount: float, count: int) -> list[InputSet]:
    """`count` copies of a set, every value of an image multiplied by 1 + `amount` times noise.

    That is as little as rounding would change: what the reference keeps then is decided.

    The noise is normal with variance 1. Zeros stay zeros, so that padding remains what it is.
    Bytes are rounded up or down at random, so that even less than a grey level is shaken in the
    mean.
    """
    rng = np.random.default_rng(0)
    return [
        replace(one, name=f"{one.name}, shaken", pixel_values=_shake(one.pixel_values, amount, rng))
        for _ in range(count)
    ]


def _shake(pixels: npt.NDArray[Any], amount: float, rng: np.random.Generator) -> npt.NDArray[Any]:
    moved = pixels * (1 + np.float32(amount) * rng.standard_normal(pixels.shape, dtype=np.float32))
    if pixels.dtype != np.uint8:
        return np.asarray(moved, dtype=pixels.dtype)
    rounded = np.floor(moved + rng.random(pixels.shape, dtype=np.float32))
    return np.asarray(np.clip(rounded, 0, 255), dtype=np.uint8)
