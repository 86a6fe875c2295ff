import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.preprocessing import (
    DETECTION_PREPROCESSING,
    IMAGENET_PREPROCESSING,
    Preprocessing,
    normalise,
    prepare,
    preprocess,
    resize_and_crop,
)


def cubic(x: np.ndarray) -> np.ndarray:
    """The cubic kernel with a = -1/2."""
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


KERNELS = {
    "bicubic": cubic,
    "bilinear": lambda x: np.maximum(1 - x, 0),
    "hamming": lambda x: np.where(x < 1, np.sinc(x) * (0.54 + 0.46 * np.cos(np.pi * x)), 0.0),
    "lanczos": lambda x: np.where(x < 3, np.sinc(x) * np.sinc(x / 3), 0.0),
}


def weights(length: int, resized: int, crop: int, kernel=cubic) -> np.ndarray:
    """[crop, length] float64: the kernel of each output pixel, wider where the image shrinks."""
    scale = length / resized
    stretch = max(scale, 1.0)
    first = round((resized - crop) / 2)
    centres = (np.arange(first, first + crop) + 0.5) * scale
    kept = kernel(np.abs((np.arange(length) + 0.5 - centres[:, None]) / stretch))
    return kept / kept.sum(axis=1, keepdims=True)


@settings(max_examples=25)
@given(
    height=st.integers(1, 300),
    width=st.integers(1, 300),
    channels=st.sampled_from([1, 2, 3, 4, 13]),
    interpolation=st.sampled_from(sorted(KERNELS)),
    stretched=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_resizing_is_the_filter_of_the_specification(
    height, width, channels, interpolation, stretched, seed
):
    sized = replace(
        IMAGENET_PREPROCESSING.for_size((32, 48)), interpolation=interpolation, stretched=stretched
    )
    image = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    resized = sized.resized(height, width)
    kernel = KERNELS[interpolation]
    by_columns, by_rows = (
        weights(width, resized[1], 48, kernel),
        weights(height, resized[0], 32, kernel),
    )
    rows = np.einsum("xw,hwc->hxc", by_columns, image.astype(np.float64))
    exact = np.einsum("yh,hxc->yxc", by_rows, np.clip(rows, 0, 255))
    got = resize_and_crop(image, sized)
    assert got.shape == (32, 48, channels)
    # Two roundings to eight bits, and the tails of the second pass.
    assert np.abs(got - np.clip(exact, 0, 255)).max() <= 2


def test_the_centre_is_cut_out():
    pixels = np.zeros((256, 512, 3), dtype=np.uint8)
    pixels[:, 144:368] = 200
    assert (resize_and_crop(pixels, IMAGENET_PREPROCESSING) == 200).all()


@pytest.mark.parametrize(("margin", "offset"), [(1, 0), (3, 2), (5, 2), (7, 4)])
def test_an_odd_margin_gives_its_half_to_the_even_side(margin, offset):
    sized = Preprocessing(crop_pixels=(32, 32), resize_pixels=32 + margin)
    image = np.zeros((32 + margin, 32 + margin, 3), dtype=np.uint8)
    image[offset : offset + 32, offset : offset + 32] = 255
    assert (resize_and_crop(image, sized) == 255).all()


def test_normalise_by_hand():
    got = normalise(np.full((1, 1, 3), 255, np.uint8), IMAGENET_PREPROCESSING)
    assert got[:, 0, 0] == pytest.approx(
        [(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    )


def test_each_channel_is_prepared_by_itself():
    own = replace(
        IMAGENET_PREPROCESSING, mean=(0.1, 0.2, 0.3, 0.4), std=(0.5, 0.6, 0.7, 0.8)
    ).for_size((40, 56))
    image = np.random.default_rng().integers(0, 256, (90, 70, 4), dtype=np.uint8)
    got = preprocess(image, own)
    assert got.shape == (4, 40, 56)
    for channel in range(4):
        one = replace(own, mean=own.mean[channel : channel + 1], std=own.std[channel : channel + 1])
        np.testing.assert_array_equal(got[channel], preprocess(image[..., channel], one)[0])


@pytest.mark.parametrize("fixed", [False, True])
def test_what_fits_is_normalised_and_then_padded_with_zeros(fixed):
    image = np.random.default_rng().integers(0, 256, (50, 70, 3), dtype=np.uint8)
    spec = replace(DETECTION_PREPROCESSING, fit=(90, 40), crop_pixels=(48, 96), fixed=fixed)
    got = prepare(image, spec)
    assert (got.original, got.resized) == ((50, 70), (40, 56))
    assert got.scale == (56 / 70, 40 / 50)
    assert got.pixels.shape == ((3, 48, 96) if fixed else (3, 64, 64))
    inside = resize_and_crop(image, spec).transpose(2, 0, 1) / 255
    for plane, pixels, mean, std in zip(got.pixels, inside, spec.mean, spec.std, strict=True):
        np.testing.assert_allclose(plane[:40, :56], (pixels - mean) / std, atol=1e-6)
    assert not got.pixels[:, 40:].any()
    assert not got.pixels[:, :, 56:].any()


def test_a_cropped_picture_keeps_its_sizes_too():
    got = prepare(np.zeros((300, 500, 3), np.uint8), IMAGENET_PREPROCESSING)
    assert (got.original, got.resized) == ((300, 500), (256, 426))
    assert got.pixels.shape == (3, 224, 224)


def test_the_manifest_says_who_normalises():
    image = np.random.default_rng().integers(0, 256, (40, 50, 3), dtype=np.uint8)
    outside = IMAGENET_PREPROCESSING.for_size((32, 32))
    inside = Preprocessing.from_manifest(outside.as_manifest() | {"normalisation_in_graph": True})
    pixels = preprocess(image, inside)
    assert pixels.dtype == np.uint8
    assert pixels.shape == (32, 32, 3)
    np.testing.assert_array_equal(normalise(pixels, outside), preprocess(image, outside))


def test_the_thinnest_images_work_until_they_would_fill_the_memory():
    assert preprocess(np.zeros((1, 1), np.uint8), IMAGENET_PREPROCESSING).shape == (3, 224, 224)
    assert (
        preprocess(np.zeros((50, 10_000), np.uint8), IMAGENET_PREPROCESSING).shape[1:] == (224,) * 2
    )
    with pytest.raises(InputFileError, match="too long and thin"):
        preprocess(np.zeros((1, 10_000), np.uint8), IMAGENET_PREPROCESSING)


def _peak_growth(call):
    """Bytes by which the memory of this process grew at most."""

    def status(key):
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))

    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = status("VmRSS")
    call()
    return status("VmHWM") - before


def test_a_small_file_of_many_pixels_takes_the_memory_of_its_pixels():
    """A bitmap takes a byte a pixel; converted as a whole it would take twelve."""
    content, pixels = io.BytesIO(), 24_000_000
    Image.new("1", (6000, 4000)).save(content, "PNG")
    assert len(content.getvalue()) < 10_000
    grown = _peak_growth(lambda: preprocess(content.getvalue(), IMAGENET_PREPROCESSING))
    assert grown < 4 * pixels


def test_bands_of_rows_give_what_the_whole_image_gives(monkeypatch):
    image = Image.fromarray(np.random.default_rng().integers(0, 256, (301, 97, 3), np.uint8))
    fitted = replace(DETECTION_PREPROCESSING, fit=(150, 60))
    for kind in ("RGB", "L", "P", "CMYK"):
        for spec in (IMAGENET_PREPROCESSING, fitted, fitted.for_channels(1)):
            whole = preprocess(image.convert(kind), spec)
            with monkeypatch.context() as patched:
                patched.setattr("vmamba_deploy.preprocessing.decode._BAND_PIXELS", 1000)
                np.testing.assert_array_equal(preprocess(image.convert(kind), spec), whole)
