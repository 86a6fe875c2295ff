"""Resize, crop and normalise."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.preprocessing.decode import ByteArray, ImageSource, read_image
from vmamba_deploy.preprocessing.specification import MAX_PIXELS, RGB, Preprocessing

FloatArray = npt.NDArray[np.float32]


def preprocess(
    source: ImageSource, preprocessing: Preprocessing
) -> npt.NDArray[np.float32] | npt.NDArray[np.uint8]:
    """One image as the model takes it.

    Returns:
        [C, H, W] float32, normalised; or [H, W, C] uint8 for a model that normalises itself.

    Raises:
        InputFileError: see `read_image` and `resize_and_crop`.
    """
    pixels = resize_and_crop(read_image(source, preprocessing.channels), preprocessing)
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
    height, width = preprocessing.resized(pixels.shape[0], pixels.shape[1])
    if height * width > MAX_PIXELS:
        raise InputFileError(
            f"an image of {pixels.shape[1]}x{pixels.shape[0]} pixels is too long and thin: it "
            f"would be resized to {width}x{height}",
            hint="crop it first",
        )
    crop_height, crop_width = preprocessing.crop_pixels
    top, left = _centre(height, crop_height), _centre(width, crop_width)
    box = (left, top, left + crop_width, top + crop_height)
    filtered = Image.Resampling[preprocessing.interpolation.upper()]

    def cropped(plane: ByteArray) -> ByteArray:
        # Two calls, so that every release of Pillow takes the horizontal pass first: which one
        # comes first shows in the last bit, and releases differ.
        image = Image.fromarray(plane).resize((width, plane.shape[0]), filtered)
        return np.asarray(image.resize((width, height), filtered).crop(box))

    if pixels.shape[2] == RGB:
        return cropped(pixels)
    # One by one: of two or four channels Pillow would take the last for alpha.
    planes = [cropped(np.ascontiguousarray(plane)) for plane in np.moveaxis(pixels, 2, 0)]
    return np.stack(planes, axis=-1)


def normalise(pixels: ByteArray, preprocessing: Preprocessing) -> FloatArray:
    """Map [H, W, C] uint8 to [C, H, W] float32: (value / 255 - mean) / std per channel."""
    mean = np.asarray(preprocessing.mean, dtype=np.float32)
    std = np.asarray(preprocessing.std, dtype=np.float32)
    values = (pixels.astype(np.float32) / np.float32(255) - mean) / std
    return np.ascontiguousarray(values.transpose(2, 0, 1), dtype=np.float32)


def _centre(length: int, crop: int) -> int:
    """Offset of a centred crop; halves go to the even number."""
    return round((length - crop) / 2)
