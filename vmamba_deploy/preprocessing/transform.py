"""Resize, crop and normalise."""

from __future__ import annotations

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
from vmamba_deploy.preprocessing.specification import GREY, MAX_PIXELS, RGB, Preprocessing

FloatArray = npt.NDArray[np.float32]


def preprocess(
    source: ImageSource, preprocessing: Preprocessing, *, max_pixels: int = MAX_PIXELS
) -> npt.NDArray[np.float32] | npt.NDArray[np.uint8]:
    """One image as the model takes it.

    Args:
        source: see `ImageSource`.
        preprocessing: what the model takes.
        max_pixels: largest height times width of the source.

    Returns:
        [C, H, W] float32, normalised; or [H, W, C] uint8 for a model that normalises itself.

    Raises:
        InputFileError: see `read_image` and `resize_and_crop`.
    """
    channels = preprocessing.channels
    if isinstance(source, np.ndarray):
        pixels = resize_and_crop(read_image(source, channels, max_pixels=max_pixels), preprocessing)
    else:
        image = open_image(source, channels, max_pixels=max_pixels)
        pixels = _cropped(image, channels, preprocessing)
    return pixels if preprocessing.normalisation_in_graph else normalise(pixels, preprocessing)


def resize_and_crop(pixels: ByteArray, preprocessing: Preprocessing) -> ByteArray:
    """Resize the shorter side, antialiased, and cut out the centre.

    Args:
        pixels: [h, w, C] uint8.
        preprocessing: whose sizes and interpolation count.

    Returns:
        [H, W, C] uint8, contiguous.

    Raises:
        InputFileError: an image so long and thin that it would be resized to more than
            178,956,970 pixels.
    """
    if pixels.shape[2] == RGB:
        return _cropped(Image.fromarray(pixels), RGB, preprocessing)
    # One by one: of two or four channels Pillow would take the last for alpha.
    planes = (Image.fromarray(np.ascontiguousarray(one)) for one in np.moveaxis(pixels, 2, 0))
    return np.concatenate([_cropped(one, GREY, preprocessing) for one in planes], axis=-1)


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
    """Map [H, W, C] uint8 to [C, H, W] float32: (value / 255 - mean) / std per channel."""
    mean = np.asarray(preprocessing.mean, dtype=np.float32)
    std = np.asarray(preprocessing.std, dtype=np.float32)
    values = (pixels.astype(np.float32) / np.float32(255) - mean) / std
    return np.ascontiguousarray(values.transpose(2, 0, 1), dtype=np.float32)


def _centre(length: int, crop: int) -> int:
    """Offset of a centred crop; halves go to the even number."""
    return round((length - crop) / 2)
