"""Any image that Pillow reads, upright and in 8-bit RGB."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.preprocessing.specification import GREY, MAX_PIXELS, RGB

ByteArray = npt.NDArray[np.uint8]
ImageSource: TypeAlias = str | Path | bytes | Image.Image | npt.NDArray[np.generic]
"""Path of an image file, its content, a Pillow image, or a uint8 array: [H,W,C], or [H,W] grey."""

_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# What decoders raise for damaged files, beside OSError.
_DAMAGED = (ValueError, SyntaxError, EOFError, IndexError, KeyError, struct.error, OverflowError)


def read_image(source: ImageSource, channels: int = RGB) -> ByteArray:
    """Decode an image, turn it upright by its EXIF orientation, and make it 8-bit RGB or grey.

    Grey is replicated, palettes are expanded, alpha is dropped, 16-bit samples keep their high
    byte, CMYK is converted without a colour profile. Grey of colours is their luma of ITU-R 601.

    Args:
        source: see `ImageSource`. Arrays are taken as they are.
        channels: C, that the network takes.

    Returns:
        [H, W, C] uint8.

    Raises:
        InputFileError: cannot be read, is damaged, has other channels than C, or has more than
            178,956,970 pixels; the message names the file.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source, channels)
    name = _name(source)
    if channels not in (GREY, RGB):
        raise InputFileError(
            f"the network takes {channels} channels, so {name} is no input for it",
            hint=f"give uint8 arrays [H,W,{channels}]; files are for networks of 1 or 3 channels",
        )
    rgb = _decoded(source, name)
    if channels == RGB:
        return rgb
    return np.asarray(Image.fromarray(rgb).convert("L"), dtype=np.uint8)[:, :, None]


def _name(source: str | Path | bytes | Image.Image) -> str:
    if isinstance(source, Image.Image):
        return "the image"
    return f"the image of {len(source)} bytes" if isinstance(source, bytes) else str(source)


def _decoded(source: str | Path | bytes | Image.Image, name: str) -> ByteArray:
    """[H, W, 3] uint8, upright."""
    if isinstance(source, Image.Image):
        return _to_rgb(source, name)
    try:
        opened = io.BytesIO(source) if isinstance(source, bytes) else Path(source)
        with Image.open(opened) as image:
            return _to_rgb(image, name)
    except Image.DecompressionBombError as error:
        raise _too_large(name) from error
    except UnidentifiedImageError as error:
        raise InputFileError(
            f"{name} is not an image", hint="JPEG, PNG and what else Pillow reads are images"
        ) from error
    except OSError as error:
        raise InputFileError(f"{name} cannot be read: {error.strerror or error}") from error
    except _DAMAGED as error:
        raise InputFileError(f"{name} is damaged: {error}") from error


def _to_rgb(image: Image.Image, name: str) -> ByteArray:
    if image.width * image.height > MAX_PIXELS:
        raise _too_large(name)
    if image.mode in {"I", "F"}:
        raise InputFileError(
            f"{name} has 32-bit samples (mode {image.mode}); images of 1, 8 or 16 bits are taken",
            hint="convert it to 8 bits, scaled as it was in training",
        )
    image.load()
    if image.mode.startswith("I;16"):
        grey = (np.asarray(image, dtype=np.uint16) >> 8).astype(np.uint8)
        upright = _turn(Image.fromarray(grey), _orientation(image))
    else:
        upright = _turn(image, _orientation(image))
        # Alpha is dropped in any case; of a palette's, Pillow would warn first.
        upright.info.pop("transparency", None)
    return np.asarray(upright.convert("RGB"), dtype=np.uint8)


def _orientation(image: Image.Image) -> int:
    """EXIF's alone: Pillow would also believe XMP, which readers in other languages do not."""
    encoded: Any = image.info.get("exif")
    if encoded is None and image.format != "TIFF":
        return 1
    try:
        tags = image.getexif() if encoded is None else Image.Exif()
        if encoded is not None:
            tags.load(encoded)
        found = tags.get(_ORIENTATION, 1)
    except (OSError, *_DAMAGED):
        return 1  # unreadable EXIF says nothing; the image itself is fine
    return found if isinstance(found, int) else 1


def _turn(image: Image.Image, orientation: int) -> Image.Image:
    method = _UPRIGHT.get(orientation)
    return image if method is None else image.transpose(method)


def _from_array(array: npt.NDArray[np.generic], channels: int) -> ByteArray:
    shape, dtype = array.shape, array.dtype
    grey = len(shape) == 2 and channels in (GREY, RGB)
    fits = grey or (len(shape) == 3 and shape[2] == channels)
    if dtype != np.uint8 or not fits or 0 in shape:
        or_grey = " or [H,W] grey" if channels in (GREY, RGB) else ""
        raise InputFileError(
            f"an array of shape {list(shape)} and dtype {dtype} is no image; expected uint8 "
            f"[H,W,{channels}]{' RGB' if channels == RGB else ''}{or_grey}"
        )
    if shape[0] * shape[1] > MAX_PIXELS:
        raise _too_large("the array")
    pixels = array.astype(np.uint8, copy=False)
    return np.repeat(pixels[:, :, None], channels, axis=2) if grey else pixels


def _too_large(name: str) -> InputFileError:
    return InputFileError(
        f"{name} has more than {MAX_PIXELS:,} pixels", hint="make the image smaller"
    )
