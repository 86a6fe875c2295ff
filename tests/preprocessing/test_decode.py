import contextlib
import io
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.preprocessing import read_image
from vmamba_deploy.preprocessing.decode import FORMATS

RNG = np.random.default_rng()
ARRAY = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)


def encoded(image, kind="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def test_every_kind_of_source_gives_the_same(tmp_path):
    image = Image.fromarray(ARRAY)
    path = tmp_path / "a.png"
    path.write_bytes(encoded(image))
    for source in (ARRAY, image, encoded(image), path, str(path)):
        np.testing.assert_array_equal(read_image(source), ARRAY)


def test_grey_is_replicated():
    grey = ARRAY[:, :, 0]
    for source in (grey, Image.fromarray(grey), encoded(Image.fromarray(grey))):
        np.testing.assert_array_equal(read_image(source), np.stack([grey] * 3, axis=-1))


def test_grey_of_colours_is_their_luma(tmp_path):
    red, green, blue = np.moveaxis(ARRAY.astype(np.int64), 2, 0)
    # ITU-R 601: 0.299, 0.587 and 0.114, in 16 bits.
    luma = (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16
    path = tmp_path / "a.png"
    path.write_bytes(encoded(Image.fromarray(ARRAY)))
    for source in (path, Image.fromarray(ARRAY), encoded(Image.fromarray(ARRAY))):
        np.testing.assert_array_equal(read_image(source, channels=1), luma[:, :, None])
    grey = ARRAY[:, :, 0]
    for source in (grey, grey[:, :, None], encoded(Image.fromarray(grey))):
        np.testing.assert_array_equal(read_image(source, channels=1), grey[:, :, None])


def test_networks_of_other_channels_take_arrays_alone(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(Image.fromarray(ARRAY)))
    for channels in (2, 4, 13):
        array = RNG.integers(0, 256, (5, 7, channels), dtype=np.uint8)
        np.testing.assert_array_equal(read_image(array, channels), array)
        for source in (path, path.read_bytes(), Image.fromarray(ARRAY)):
            with pytest.raises(
                InputFileError, match=f"network takes {channels} channels"
            ) as refused:
                read_image(source, channels)
            assert f"[H,W,{channels}]" in refused.value.hint
        for wrong in (ARRAY, ARRAY[..., 0], array[None], array.astype(np.float32)):
            with pytest.raises(InputFileError, match=rf"expected uint8 \[H,W,{channels}\]"):
                read_image(wrong, channels)


def test_alpha_is_dropped():
    alpha = RNG.integers(0, 256, (5, 7, 1), dtype=np.uint8)
    image = Image.fromarray(np.concatenate([ARRAY, alpha], axis=-1))
    np.testing.assert_array_equal(read_image(encoded(image)), ARRAY)


@pytest.mark.filterwarnings("error")
def test_palettes_are_expanded_and_their_transparency_dropped():
    indexed = Image.fromarray(ARRAY).quantize(7)
    expected = np.asarray(indexed.convert("RGB"))
    content = encoded(indexed, transparency=bytes(range(7)))
    np.testing.assert_array_equal(read_image(content), expected)


def test_sixteen_bits_keep_their_high_byte():
    wide = RNG.integers(0, 65536, (5, 7), dtype=np.uint16)
    decoded = read_image(encoded(Image.fromarray(wide)))
    np.testing.assert_array_equal(decoded[:, :, 1], wide >> 8)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_upright(orientation):
    # What a camera held so has stored of the upright ARRAY.
    stored = {
        1: ARRAY,
        2: ARRAY[:, ::-1],
        3: ARRAY[::-1, ::-1],
        4: ARRAY[::-1],
        5: ARRAY.transpose(1, 0, 2),
        6: np.rot90(ARRAY, 1),
        7: ARRAY[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(ARRAY, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(np.ascontiguousarray(stored)), exif=exif)
    np.testing.assert_array_equal(read_image(data), ARRAY)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_unreadable_exif_says_nothing():
    data = encoded(Image.fromarray(ARRAY), exif=b"Exif\0\0MM\0*rubbish")
    np.testing.assert_array_equal(read_image(data), ARRAY)


def test_cmyk_is_converted_without_a_profile():
    image = Image.new("CMYK", (4, 4), (255, 0, 0, 0))
    red, green, blue = read_image(encoded(image, "JPEG", quality=100))[2, 2]
    assert red < 10
    assert min(green, blue) > 245


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not an image"),
        (b"hello", "is not an image"),
        (encoded(Image.fromarray(ARRAY))[:60], "is damaged|cannot be read|not an image"),
        (
            encoded(Image.fromarray(np.zeros((40, 40, 3), np.uint8)), "JPEG")[:-200],
            "cannot be read",
        ),
        (encoded(Image.fromarray(np.ones((3, 3), np.int32)), "TIFF"), "32-bit samples"),
    ],
    ids=["empty", "text", "cut PNG", "cut JPEG", "32-bit TIFF"],
)
def test_what_is_no_image_is_refused_by_name(tmp_path, content, message):
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    with pytest.raises(InputFileError, match=f"broken.png.*({message})"):
        read_image(path)
    with pytest.raises(InputFileError, match=message):
        read_image(content)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputFileError, match=r"absent\.png cannot be read: No such file"):
        read_image(tmp_path / "absent.png")


@pytest.mark.parametrize(
    "array", [ARRAY.astype(np.float32), ARRAY[:, :, :2], ARRAY[:0], np.zeros(3, np.uint8)]
)
def test_arrays_that_are_no_images_are_refused(array):
    with pytest.raises(InputFileError, match="is no image"):
        read_image(array)


def test_pictures_that_are_too_large_are_refused_before_they_are_decoded():
    bomb = encoded(Image.new("1", (30_000, 12_000)))
    assert len(bomb) < 1_000_000
    with pytest.raises(InputFileError, match="more than 178,956,970 pixels"):
        read_image(bomb)


@pytest.mark.parametrize("kind", FORMATS)
def test_damage_of_any_kind_is_an_error_of_ours(kind):
    """Cut and flipped files: an image comes out, or InputFileError, never what a decoder raises."""
    content = encoded(Image.fromarray(ARRAY), kind)
    assert read_image(content).shape == ARRAY.shape
    for _ in range(40):
        damaged = bytearray(content[: RNG.integers(len(content)) if RNG.random() < 0.3 else None])
        for place in RNG.integers(len(damaged), size=min(3, len(damaged))) if damaged else []:
            damaged[place] = RNG.integers(256)
        with contextlib.suppress(InputFileError), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read_image(bytes(damaged), max_pixels=100_000)


@pytest.mark.parametrize("kind", ["EPS", "ICO", "PCX", "TGA"])
def test_formats_that_are_not_listed_are_not_opened(kind):
    with pytest.raises(InputFileError, match="not an image that is read here") as refused:
        read_image(encoded(Image.fromarray(ARRAY), kind))
    assert "JPEG, PNG" in refused.value.hint


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (os.mkfifo, "a pipe"),
        (Path.mkdir, "a folder"),
        (lambda p: p.symlink_to("/dev/zero"), "a dev"),
    ],
)
def test_what_is_no_file_is_refused_without_waiting(tmp_path, make, said):
    make(tmp_path / "a.png")
    with pytest.raises(InputFileError, match=rf"a\.png is {said}"):
        read_image(tmp_path / "a.png")


def test_a_text_that_unpacks_to_more_than_any_memory_is_damage():
    notes = PngInfo()
    notes.add_text("comment", "a" * 4_000_000, zip=True)
    with pytest.raises(InputFileError, match="cannot be read as an image"):
        read_image(encoded(Image.fromarray(ARRAY), pnginfo=notes))


def test_a_picture_that_was_opened_elsewhere_and_is_cut_is_an_error_of_ours():
    whole = encoded(Image.fromarray(RNG.integers(0, 256, (40, 40, 3), dtype=np.uint8)))
    with pytest.raises(InputFileError, match="the image cannot be read"):
        read_image(Image.open(io.BytesIO(whole[:-400])))


def test_the_limit_of_pixels_is_the_callers():
    for source in (ARRAY, encoded(Image.fromarray(ARRAY))):
        assert read_image(source, max_pixels=35).shape == (5, 7, 3)
        with pytest.raises(InputFileError, match="more than 34 pixels"):
            read_image(source, max_pixels=34)


def test_an_opened_image_stays_as_it_was():
    image = Image.open(io.BytesIO(encoded(Image.fromarray(ARRAY).quantize(7), transparency=0)))
    read_image(image)
    assert image.info["transparency"] == 0
    assert image.mode == "P"
