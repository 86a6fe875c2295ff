"""Images that are damaged, huge, or none: refused by name, and nothing is started for them."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.faults.asking import ask
from tests.faults.conftest import Refuses
from vmamba_deploy.errors import ExitCode


def encoded(kind: str, mode: str = "RGB", **options: Any) -> bytes:
    memory = io.BytesIO()
    Image.effect_noise((40, 30), 90).convert(mode).save(memory, kind, **options)
    return memory.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, pixels: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


BAD: dict[str, bytes] = {
    "nothing": b"",
    "a text": b"no image\n" * 20,
    "a header alone": encoded("PNG")[:20],
    "half a PNG": encoded("PNG")[: len(encoded("PNG")) // 2],
    "half a JPEG": encoded("JPEG")[:400],
    "half a TIFF": encoded("TIFF")[:100],
    "half a GIF": encoded("GIF", "P")[:60],
    "half a WebP": encoded("WEBP")[:60],
    "a PNG without pixels": png(10, 10),
    "a PNG of no width": png(0, 10),
    "a PNG of 2^31 pixels a side": png(2**31 - 1, 2**31 - 1),
    "a small file of many pixels": png(60_000, 60_000),
    "a bomb": png(50_000, 50_000, bytes(20_000_000)),
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n",
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
    "a video": b"\x00\x00\x00\x18ftypmp42" + bytes(200),
    "floating-point samples": encoded("TIFF", "F"),
    "32-bit samples": encoded("TIFF", "I"),
    "JSON": b'{"image": null}',
}


@pytest.mark.parametrize("kind", list(BAD))
def test_what_is_no_image_for_us(
    refuses: Refuses, tmp_path: Path, artifact: Path, kind: str
) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(BAD[kind])
    asked = ["predict", artifact, path, "--runtime", "ort"]
    refuses(list(asked), ExitCode.BAD_INPUT, "image.png")


PLACES: dict[str, Callable[[Path], object]] = {
    "nothing": lambda path: None,
    "a pipe": os.mkfifo,
    "an endless device": lambda path: path.symlink_to("/dev/zero"),
    "a link to itself": lambda path: path.symlink_to(path),
}


@pytest.mark.parametrize("place", list(PLACES))
def test_what_is_no_file(tmp_path: Path, artifact: Path, refuses: Refuses, place: str) -> None:
    path = tmp_path / "image.png"
    PLACES[place](path)
    from tests.faults.asking import assert_refused

    answer = ask("predict", artifact, path, "--runtime", "ort")
    assert_refused(answer, ExitCode.BAD_INPUT, "image.png")


MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"]


@pytest.mark.parametrize("mode", MODES)
def test_an_image_of_any_kind_of_samples(
    tmp_path: Path, artifact: Path, images: list[Path], mode: str
) -> None:
    with Image.open(images[0]) as opened:
        grey = np.asarray(opened.convert("L"))
    deep = Image.fromarray(grey.astype(np.uint16) * 257)
    made = deep if mode == "I;16" else Image.fromarray(grey).convert(mode)
    made.save(tmp_path / "image.png")
    answer = ask("predict", artifact, tmp_path / "image.png", "--runtime", "ort")
    assert answer.code == ExitCode.OK, answer.err
    if mode != "1":
        first = answer.out[answer.out.index("image.png") :].split()
        assert first[1] == images[0].parent.name
