"""The images of the golden table: what each is and how it is written."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from tests.preprocessing.png_writer import write_png
from vmamba_deploy.preprocessing import (
    DETECTION_PREPROCESSING,
    SEGMENTATION_PREPROCESSING,
    Preprocessing,
)

Pixels = npt.NDArray[np.integer]
SQUARE = Preprocessing()
WIDE = Preprocessing(crop_pixels=(32, 64), resize_pixels=37)
SMALL = Preprocessing(crop_pixels=(32, 32), resize_pixels=32)
GREY_WIDE = WIDE.for_channels(1)
FILTERS = tuple(replace(WIDE, interpolation=name) for name in ("bilinear", "hamming", "lanczos"))
STRETCHED = replace(SQUARE, stretched=True)
FITTED = replace(DETECTION_PREPROCESSING, fit=(101, 60))
GREY_FITTED = FITTED.for_channels(1)
FRAMED = replace(SEGMENTATION_PREPROCESSING, crop_pixels=(40, 72), fixed=True)
FITS = (FITTED, FRAMED)


@dataclass(frozen=True)
class GoldenImage:
    """How an image is made: a sentence, the bytes of its file, and how it is preprocessed."""

    how: str
    encode: Callable[[], bytes]
    specs: tuple[Preprocessing, ...] = (WIDE,)


def write_image(path: Path, image: GoldenImage) -> None:
    """Write its file."""
    path.write_bytes(image.encode())


def drawn(height: int, width: int, channels: int, *, largest: int = 255, seed: int = 0) -> Pixels:
    """[height, width, channels] of waves, edges and some noise, by a formula."""
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    random = np.random.Generator(np.random.PCG64(seed))
    planes = []
    for channel in range(channels):
        ramp = (x * (7 + 2 * channel) + y * (5 + 3 * channel)) % 256
        edges = 255 * ((x // (3 + channel) + y // (4 + channel)) % 2)
        noise = random.integers(0, 64, size=(height, width))
        planes.append((ramp + edges // 2 + noise) * largest // (255 + 127 + 63))
    return np.stack(planes, axis=-1)


def pillow(pixels: Pixels, mode: str, kind: str, **settings: object) -> bytes:
    """The file that Pillow writes of [h,w,channels] pixels."""
    squeezed = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    image = Image.fromarray(squeezed.astype(np.uint8))
    if image.mode != mode:
        image = image.convert(mode) if mode in {"1", "P"} else _reinterpreted(image, mode)
    stream = io.BytesIO()
    image.save(stream, kind, **settings)
    return stream.getvalue()


def _reinterpreted(image: Image.Image, mode: str) -> Image.Image:
    return Image.frombytes(mode, image.size, image.tobytes())


def jpeg(height: int, width: int, *, mode: str = "RGB", **settings: object) -> bytes:
    """A JPEG of quality 90 unless said otherwise."""
    channels = {"L": 1, "RGB": 3, "CMYK": 4}[mode]
    settings = {"quality": 90, **settings}
    return pillow(drawn(height, width, channels), mode, "JPEG", **settings)


def ycck(height: int, width: int) -> bytes:
    """A CMYK file whose Adobe marker says that it is YCCK: other colours, another conversion."""
    encoded = jpeg(height, width, mode="CMYK")
    place = encoded.index(b"Adobe") + 11
    assert encoded[place] == 0
    return encoded[:place] + b"\x02" + encoded[place + 1 :]


def exif(orientation: int) -> Image.Exif:
    """An EXIF block with an orientation."""
    block = Image.Exif()
    block[0x0112] = orientation
    return block


def _palette(bits: int, *, transparency: bytes = b"") -> Callable[[], bytes]:
    def encode() -> bytes:
        indices = drawn(23, 37, 1, largest=(1 << bits) - 1)
        colours = drawn(1, 1 << bits, 3, seed=bits).astype(np.uint8).tobytes()
        chunks = [(b"tRNS", transparency)] if transparency else []
        return write_png(indices, 3, bits, palette=colours, chunks=chunks)

    return encode


def _png(
    colour_type: int, depth: int, *, interlaced: bool = False, size: tuple[int, int] = (29, 43)
) -> Callable[[], bytes]:
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour_type]
    return lambda: write_png(
        drawn(*size, channels, largest=(1 << depth) - 1), colour_type, depth, interlaced=interlaced
    )


def _exif_png(*, behind: bool) -> bytes:
    chunk = (b"eXIf", exif(6).tobytes()[6:])
    pixels = drawn(29, 43, 3)
    if behind:
        return write_png(pixels, 2, 8, chunks_behind=[chunk])
    return write_png(pixels, 2, 8, chunks=[chunk])


BOTH = (SQUARE, WIDE)

COMMITTED: dict[str, GoldenImage] = {
    "photo_420.jpg": GoldenImage(
        "JPEG, 4:2:0, odd size", lambda: jpeg(197, 301, subsampling=2), (*BOTH, *FILTERS, *FITS)
    ),
    "tall_422.jpg": GoldenImage(
        "JPEG, 4:2:2", lambda: jpeg(150, 61, subsampling=1), (*BOTH, STRETCHED, GREY_WIDE, *FITS)
    ),
    "small_444.jpg": GoldenImage(
        "JPEG, 4:4:4, enlarged", lambda: jpeg(17, 31, subsampling=0), (*BOTH, *FILTERS, *FITS)
    ),
    "progressive.jpg": GoldenImage("progressive JPEG", lambda: jpeg(83, 64, progressive=True)),
    "grey.jpg": GoldenImage("grey JPEG", lambda: jpeg(60, 45, mode="L")),
    "cmyk.jpg": GoldenImage("CMYK JPEG, inverted as Adobe does", lambda: jpeg(47, 59, mode="CMYK")),
    "ycck.jpg": GoldenImage(
        "YCCK JPEG: the file above with Adobe's transform 2", lambda: ycck(47, 59)
    ),
    "same_side.png": GoldenImage("RGB PNG whose shorter side is 37", _png(2, 8, size=(37, 80))),
    "rgb.png": GoldenImage("RGB PNG, odd size", _png(2, 8, size=(53, 37)), BOTH),
    "rgba.png": GoldenImage(
        "RGBA PNG: alpha is dropped", _png(6, 8), (WIDE, GREY_WIDE, GREY_FITTED)
    ),
    "grey.png": GoldenImage("grey PNG", _png(0, 8)),
    "grey_alpha.png": GoldenImage("LA PNG", _png(4, 8)),
    "bits_1.png": GoldenImage("PNG of 1 bit", _png(0, 1)),
    "bits_2.png": GoldenImage("grey PNG of 2 bits", _png(0, 2)),
    "bits_4.png": GoldenImage("grey PNG of 4 bits", _png(0, 4)),
    "grey_16.png": GoldenImage("grey PNG of 16 bits", _png(0, 16), (WIDE, GREY_WIDE)),
    "rgb_16.png": GoldenImage("RGB PNG of 16 bits", _png(2, 16)),
    "grey_alpha_16.png": GoldenImage("LA PNG of 16 bits", _png(4, 16)),
    "rgba_16.png": GoldenImage("RGBA PNG of 16 bits", _png(6, 16)),
    "palette_1.png": GoldenImage("palette of 2 colours", _palette(1)),
    "palette_4.png": GoldenImage("palette of 16 colours", _palette(4)),
    "palette_8.png": GoldenImage("palette of 256 colours", _palette(8)),
    "palette_tRNS.png": GoldenImage(
        "palette with transparent entries", _palette(4, transparency=bytes(range(16)))
    ),
    "interlaced.png": GoldenImage("interlaced RGB PNG", _png(2, 8, interlaced=True)),
    "interlaced_bits_1.png": GoldenImage("interlaced PNG of 1 bit", _png(0, 1, interlaced=True)),
    "interlaced_rgba_16.png": GoldenImage(
        "interlaced RGBA PNG of 16 bits", _png(6, 16, interlaced=True)
    ),
    "exif_before.png": GoldenImage("eXIf before the pixels, 6", lambda: _exif_png(behind=False)),
    "exif_behind.png": GoldenImage("eXIf behind the pixels, 6", lambda: _exif_png(behind=True)),
    **{
        f"orientation_{number}.jpg": GoldenImage(
            f"JPEG with EXIF orientation {number}",
            lambda number=number: jpeg(40, 61, exif=exif(number)),
            (WIDE, FITTED) if number == 6 else (WIDE,),
        )
        for number in range(1, 9)
    },
    "pixel.png": GoldenImage("one pixel", _png(2, 8, size=(1, 1)), (*BOTH, *FITS)),
    "pixel.jpg": GoldenImage("one pixel, JPEG", lambda: jpeg(1, 1), BOTH),
    "row.png": GoldenImage("1 x 9 pixels", _png(2, 8, size=(1, 9)), (*BOTH, *FITS)),
    "column.png": GoldenImage("9 x 1 pixels", _png(2, 8, size=(9, 1)), (*BOTH, *FITS)),
}


LARGE: dict[str, GoldenImage] = {
    "wide.png": GoldenImage(
        "10,000 pixels wide, drawn(40, 10000)",
        lambda: pillow(drawn(40, 10000, 3), "RGB", "PNG"),
        (SQUARE, SMALL),
    ),
    "line.png": GoldenImage(
        "10,000 pixels wide, 2 high, drawn(2, 10000)",
        lambda: pillow(drawn(2, 10000, 3), "RGB", "PNG"),
        (SMALL, FITTED),
    ),
    "tall.png": GoldenImage(
        "10,000 pixels high, grey, drawn(10000, 33)",
        lambda: pillow(drawn(10000, 33, 1), "L", "PNG"),
        (SQUARE, SMALL),
    ),
    "large.png": GoldenImage(
        "1,501 x 2,003 pixels, drawn(1501, 2003)",
        lambda: pillow(drawn(1501, 2003, 3), "RGB", "PNG"),
        (SQUARE, SMALL, *FILTERS, DETECTION_PREPROCESSING, SEGMENTATION_PREPROCESSING),
    ),
}
