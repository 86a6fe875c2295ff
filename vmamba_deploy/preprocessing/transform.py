"""Resize, crop and normalise."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.preprocessing.decode import ByteArray, ImageSource, read_image
from vmamba_deploy.preprocessing.specification import MAX_PIXELS, Preprocessing

FloatArray = npt.NDArray[np.float32]


def preprocess(
    source: ImageSource, preprocessing: Preprocessing
) -> npt.NDArray[np.float32] | npt.NDArray[np.uint8]:
    """One image as the model takes it.

    Returns:
        [3, H, W] float32, normalised; or [H, W, 3] uint8 for a model that normalises itself.

    Raises:
        InputFileError: see `read_image` and `resize_and_crop`.
    """
    rgb = resize_and_crop(read_image(source), preprocessing)
    return rgb if preprocessing.normalisation_in_graph else normalise(rgb, preprocessing)


def resize_and_crop(rgb: ByteArray, preprocessing: Preprocessing) -> ByteArray:
    """Resize the shorter side, bicubic and antialiased, and cut out the centre.

    Args:
        rgb: [h, w, 3] uint8.
        preprocessing: whose `crop_pixels` and `resize_pixels` count.

    Returns:
        [H, W, 3] uint8, contiguous.

    Raises:
        InputFileError: an image so long and thin that it would be resized to more than
            178,956,970 pixels.
    """
    height, width = preprocessing.resized(rgb.shape[0], rgb.shape[1])
    if height * width > MAX_PIXELS:
        raise InputFileError(
            f"an image of {rgb.shape[1]}x{rgb.shape[0]} pixels is too long and thin: it would be "
            f"resized to {width}x{height}",
            hint="crop it first",
        )
    # Two calls, so that every release of Pillow takes the horizontal pass first: which one comes
    # first shows in the last bit, and releases differ.
    image = Image.fromarray(rgb).resize((width, rgb.shape[0]), Image.Resampling.BICUBIC)
    resized = image.resize((width, height), Image.Resampling.BICUBIC)
    crop_height, crop_width = preprocessing.crop_pixels
    top, left = _centre(height, crop_height), _centre(width, crop_width)
    return np.asarray(resized.crop((left, top, left + crop_width, top + crop_height)))


def normalise(rgb: ByteArray, preprocessing: Preprocessing) -> FloatArray:
    """Map [H, W, 3] uint8 to [3, H, W] float32: (value / 255 - mean) / std per channel."""
    mean = np.asarray(preprocessing.mean, dtype=np.float32)
    std = np.asarray(preprocessing.std, dtype=np.float32)
    values = (rgb.astype(np.float32) / np.float32(255) - mean) / std
    return np.ascontiguousarray(values.transpose(2, 0, 1), dtype=np.float32)


def _centre(length: int, crop: int) -> int:
    """Offset of a centred crop; halves go to the even number."""
    return round((length - crop) / 2)
