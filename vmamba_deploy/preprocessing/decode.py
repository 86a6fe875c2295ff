"""Image files, upright and in 8-bit RGB, in little more memory than their pixels take."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from vmamba_deploy.errors import InputFileError, ResourceError
from vmamba_deploy.files import open_file, shown, understood
from vmamba_deploy.preprocessing.specification import GREY, MAX_PIXELS, RGB

ByteArray = npt.NDArray[np.uint8]
ImageSource: TypeAlias = str | Path | bytes | Image.Image | npt.NDArray[np.generic]
"""Path of an image file, its content, a Pillow image, or a uint8 array: [H,W,C], or [H,W] grey."""

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
"""Pillow's names of what is decoded. Others are not: fewer decoders are a smaller target, and for
one of them, EPS, Pillow would start Ghostscript."""

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
# Of EXIF, beside OSError.
_DAMAGED = (ValueError, SyntaxError, EOFError, IndexError, KeyError, struct.error, OverflowError)
_MAX_ENCODED_BYTES = 2 << 30
_BAND_PIXELS = 1 << 22


def read_image(
    source: ImageSource, channels: int = RGB, *, max_pixels: int = MAX_PIXELS
) -> ByteArray:
    """Decode an image, turn it upright by its EXIF orientation, and make it 8-bit RGB or grey.

    Grey is replicated, palettes are expanded, alpha is dropped, 16-bit samples keep their high
    byte, CMYK is converted without a colour profile. Grey of colours is their luma of ITU-R 601.

    Args:
        source: see `ImageSource`; files are of `FORMATS`. Arrays are taken as they are.
        channels: C, that the network takes.
        max_pixels: largest height times width; 178,956,970 is the most that Pillow decodes.

    Returns:
        [H, W, C] uint8.

    Raises:
        InputFileError: cannot be read, is damaged, has other channels than C, or has more than
            `max_pixels`; the message names the file.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source, channels, max_pixels)
    image = open_image(source, channels, max_pixels=max_pixels)
    pixels = np.empty((image.height, image.width, channels), np.uint8)
    for top, band in bands(image, channels):
        rows = np.asarray(band, dtype=np.uint8)
        pixels[top : top + band.height] = rows.reshape(*rows.shape[:2], channels)
    return pixels


def open_image(
    source: str | Path | bytes | Image.Image, channels: int = RGB, *, max_pixels: int = MAX_PIXELS
) -> Image.Image:
    """Decode an image and turn it upright; its mode stays, for `bands` to convert.

    Raises:
        InputFileError: see `read_image`.
    """
    name = _name(source)
    if channels not in (GREY, RGB):
        raise InputFileError(
            f"the network takes {channels} channels, so {name} is no input for it",
            hint=f"give uint8 arrays [H,W,{channels}]; files are for networks of 1 or 3 channels",
        )
    if isinstance(source, bytes | Image.Image):
        return _decoded(
            io.BytesIO(source) if isinstance(source, bytes) else source, name, max_pixels
        )
    with open_file(Path(source), what="an image", limit_bytes=_MAX_ENCODED_BYTES) as file:
        return _decoded(file, name, max_pixels)


def bands(image: Image.Image, channels: int) -> Iterator[tuple[int, Image.Image]]:
    """Some rows of an opened image at a time as RGB, or as grey where C is 1, each with its top.

    As a whole, a palette or a bitmap would grow fourfold.
    """
    rows = max(1, _BAND_PIXELS // image.width)
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(top + rows, image.height)))
        # Alpha is dropped in any case; of a palette's, Pillow would warn first.
        band.info.pop("transparency", None)
        rgb = band.convert("RGB")
        yield top, rgb if channels == RGB else rgb.convert("L")


def _name(source: str | Path | bytes | Image.Image) -> str:
    if isinstance(source, Image.Image):
        return "the image"
    return f"the image of {len(source)} bytes" if isinstance(source, bytes) else shown(source)


def _decoded(source: IO[bytes] | Image.Image, name: str, max_pixels: int) -> Image.Image:
    with understood(Path(name), what="an image"):
        try:
            if not isinstance(source, Image.Image):
                source = Image.open(source, formats=FORMATS)
            return _upright(source, name, max_pixels)
        except Image.DecompressionBombError as error:
            raise _too_large(name, MAX_PIXELS) from error
        except UnidentifiedImageError as error:
            raise InputFileError(
                f"{name} is not an image that is read here", hint=f"one of {', '.join(FORMATS)}"
            ) from error
        except MemoryError as error:
            raise ResourceError(f"there is not enough memory to decode {name}") from error


def _upright(image: Image.Image, name: str, max_pixels: int) -> Image.Image:
    if image.width * image.height > max_pixels:
        raise _too_large(name, max_pixels)
    if image.mode in {"I", "F"}:
        raise InputFileError(
            f"{name} has 32-bit samples (mode {image.mode}); images of 1, 8 or 16 bits are taken",
            hint="convert it to 8 bits, scaled as it was in training",
        )
    image.load()
    orientation = _orientation(image)
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image, dtype=np.uint16) >> 8).astype(np.uint8))
    method = _UPRIGHT.get(orientation)
    return image if method is None else image.transpose(method)


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


def _from_array(array: npt.NDArray[np.generic], channels: int, max_pixels: int) -> ByteArray:
    shape, dtype = array.shape, array.dtype
    grey = len(shape) == 2 and channels in (GREY, RGB)
    fits = grey or (len(shape) == 3 and shape[2] == channels)
    if dtype != np.uint8 or not fits or 0 in shape:
        or_grey = " or [H,W] grey" if channels in (GREY, RGB) else ""
        raise InputFileError(
            f"an array of shape {list(shape)} and dtype {dtype} is no image; expected uint8 "
            f"[H,W,{channels}]{' RGB' if channels == RGB else ''}{or_grey}"
        )
    if shape[0] * shape[1] > max_pixels:
        raise _too_large("the array", max_pixels)
    pixels = array.astype(np.uint8, copy=False)
    return np.repeat(pixels[:, :, None], channels, axis=2) if grey else pixels


def _too_large(name: str, max_pixels: int) -> InputFileError:
    return InputFileError(
        f"{name} has more than {max_pixels:,} pixels", hint="make the image smaller"
    )
