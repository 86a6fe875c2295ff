"""What the header of an image tells, before a byte of it is decoded."""

from __future__ import annotations

import io
import struct
import warnings

from PIL import Image, UnidentifiedImageError

from samples.serve_ray.errors import ServiceError
from vmamba_deploy.preprocessing import Preprocessing

FORMATS = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "BMP": "image/bmp",
    "GIF": "image/gif",
}
"""Formats that are taken, with their media types. Fewer decoders are a smaller target."""

_DAMAGED = (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, struct.error)


def check_image(encoded: bytes, max_pixels: int, preprocessing: Preprocessing) -> None:
    """Refuse what is no image and what would take too much memory, by the header alone.

    Args:
        encoded: content of an image file.
        max_pixels: limit of the image as decoded, and as resized.
        preprocessing: how it would be resized; a strip one pixel wide grows thousandfold.

    Raises:
        ServiceError: `unreadable_image` or `too_many_pixels`.
    """
    width, height = _size(encoded, max_pixels)
    if width * height > max_pixels:
        raise _too_many_pixels(f"the image has {width}x{height} pixels", max_pixels)
    # EXIF may turn the image, so either side can become its height.
    for tall, wide in ((height, width), (width, height)):
        resized_height, resized_width = preprocessing.resized(tall, wide)
        if resized_height * resized_width > max_pixels:
            raise _too_many_pixels(
                f"the image of {width}x{height} pixels is so long and thin that it would be "
                f"resized to {resized_width}x{resized_height}",
                max_pixels,
            )


def _size(encoded: bytes, max_pixels: int) -> tuple[int, int]:
    try:
        with warnings.catch_warnings():
            # Pillow's own limits are looser than ours.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(encoded), formats=tuple(FORMATS)) as image:
                return image.size
    except Image.DecompressionBombError as error:
        too_many = "the image has more pixels than any decoder takes"
        raise _too_many_pixels(too_many, max_pixels) from error
    except UnidentifiedImageError as error:
        raise ServiceError(
            "unreadable_image",
            f"the {len(encoded)} bytes are not an image",
            f"send one of {', '.join(FORMATS)}",
        ) from error
    except _DAMAGED as error:
        raise ServiceError(
            "unreadable_image", "the image's header is damaged", "save the image again"
        ) from error


def _too_many_pixels(what: str, max_pixels: int) -> ServiceError:
    return ServiceError(
        "too_many_pixels", f"{what}; at most {max_pixels:,} are taken", "make the image smaller"
    )
