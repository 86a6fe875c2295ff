"""Resize, crop or pad, and normalise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.preprocessing.decode import (
    ByteArray,
    ImageSource,
    bands,
    open_image,
    read_image,
)
from vmamba_deploy.preprocessing.opencv_bilinear import resize_bands
from vmamba_deploy.preprocessing.specification import GREY, MAX_PIXELS, RGB, Preprocessing

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class PreparedImage:
    """One image as the model takes it, and where its pixels came from.

    Attributes:
        pixels: [C,H,W] float32, normalised; or [H,W,C] uint8 for a model that normalises itself.
        original: (height, width) of the upright image.
        resized: (height, width) after the resize; of an image that was made to fit, what is right
            of it and below it in `pixels` is padding.
    """

    pixels: npt.NDArray[np.float32] | npt.NDArray[np.uint8]
    original: tuple[int, int]
    resized: tuple[int, int]

    @property
    def scale(self) -> tuple[float, float]:
        """(of x, of y): resized by original, of the rounded sizes."""
        return self.resized[1] / self.original[1], self.resized[0] / self.original[0]


def prepare(
    source: ImageSource, preprocessing: Preprocessing, *, max_pixels: int = MAX_PIXELS
) -> PreparedImage:
    """One image as the model takes it, and its sizes.

    Args:
        source: see `ImageSource`.
        preprocessing: what the model takes.
        max_pixels: largest height times width of the source.

    Raises:
        InputFileError: see `read_image` and `resize_and_crop`.
    """
    channels = preprocessing.channels
    original: tuple[int, int]
    if isinstance(source, np.ndarray):
        array = read_image(source, channels, max_pixels=max_pixels)
        original, pixels = (array.shape[0], array.shape[1]), resize_and_crop(array, preprocessing)
    else:
        image = open_image(source, channels, max_pixels=max_pixels)
        original = (image.height, image.width)
        pixels = _of_image(image, channels, preprocessing)
    resized = preprocessing.resized(*original)
    if preprocessing.normalisation_in_graph:
        return PreparedImage(pixels, original, resized)
    return PreparedImage(normalise(pixels, preprocessing), original, resized)


def preprocess(
    source: ImageSource, preprocessing: Preprocessing, *, max_pixels: int = MAX_PIXELS
) -> npt.NDArray[np.float32] | npt.NDArray[np.uint8]:
    """The pixels of `prepare` alone.

    Returns:
        [C,H,W] float32, normalised; or [H,W,C] uint8 for a model that normalises itself.

    Raises:
        InputFileError: see `read_image` and `resize_and_crop`.
    """
    return prepare(source, preprocessing, max_pixels=max_pixels).pixels


def resize_and_crop(pixels: ByteArray, preprocessing: Preprocessing) -> ByteArray:
    """Resize the shorter side, antialiased, and cut out the centre; or resize to what fits.

    Args:
        pixels: [h, w, C] uint8.
        preprocessing: whose sizes and interpolation count.

    Returns:
        [H, W, C] uint8, contiguous; not padded.

    Raises:
        InputFileError: an image so long and thin that it would be resized to more than
            178,956,970 pixels.
    """
    if preprocessing.fit is not None:
        source = (pixels.shape[0], pixels.shape[1])
        return resize_bands([(0, pixels)], source, preprocessing.resized(*source))
    if pixels.shape[2] == RGB:
        return _cropped(Image.fromarray(pixels), RGB, preprocessing)
    # One by one: of two or four channels Pillow would take the last for alpha.
    planes = (Image.fromarray(np.ascontiguousarray(one)) for one in np.moveaxis(pixels, 2, 0))
    return np.concatenate([_cropped(one, GREY, preprocessing) for one in planes], axis=-1)


def _of_image(image: Image.Image, channels: int, preprocessing: Preprocessing) -> ByteArray:
    """As `resize_and_crop`, of an image of any mode, for C of 1 or 3."""
    if preprocessing.fit is None:
        return _cropped(image, channels, preprocessing)
    arrays = (
        (top, np.asarray(band).reshape(band.height, band.width, channels))
        for top, band in bands(image, channels)
    )
    source = (image.height, image.width)
    return resize_bands(arrays, source, preprocessing.resized(*source))


def _cropped(image: Image.Image, channels: int, preprocessing: Preprocessing) -> ByteArray:
    """[H, W, C] uint8 of an image of any mode, for C of 1 or 3."""
    height, width = preprocessing.resized(image.height, image.width)
    if height * width > MAX_PIXELS:
        raise InputFileError(
            f"an image of {image.width}x{image.height} pixels is too long and thin: it would be "
            f"resized to {width}x{height}",
            hint="crop it first",
        )
    filtered = Image.Resampling[preprocessing.interpolation.upper()]
    # Two calls, so that every release of Pillow takes the horizontal pass first: which one comes
    # first shows in the last bit, and releases differ. That pass sees one row at a time, so that
    # bands of rows give the same.
    narrow = Image.new("RGB" if channels == RGB else "L", (width, image.height))
    for top, band in bands(image, channels):
        narrow.paste(band.resize((width, band.height), filtered), (0, top))
    crop_height, crop_width = preprocessing.crop_pixels
    top, left = _centre(height, crop_height), _centre(width, crop_width)
    box = (left, top, left + crop_width, top + crop_height)
    crop = np.asarray(narrow.resize((width, height), filtered).crop(box))
    return crop.reshape(crop_height, crop_width, channels)


def normalise(pixels: ByteArray, preprocessing: Preprocessing) -> FloatArray:
    """Map [H, W, C] uint8 to [C, H', W'] float32: (value / 255 - mean) / std per channel.

    H' and W' are H and W, or, of an image that was made to fit, those of the padded one.
    """
    mean = np.asarray(preprocessing.mean, dtype=np.float32)
    std = np.asarray(preprocessing.std, dtype=np.float32)
    values = (pixels.astype(np.float32) / np.float32(255) - mean) / std
    if preprocessing.fit is None:
        return np.ascontiguousarray(values.transpose(2, 0, 1), dtype=np.float32)
    height, width, channels = pixels.shape
    padded = np.zeros((channels, *preprocessing.padded(height, width)), np.float32)
    padded[:, :height, :width] = values.transpose(2, 0, 1)
    return padded


def _centre(length: int, crop: int) -> int:
    """Offset of a centred crop; halves go to the even number."""
    return round((length - crop) / 2)
