"""The resize against OpenCV's arithmetic, pixel by pixel; the golden table is OpenCV's own."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmamba_deploy.preprocessing.opencv_bilinear import resize_bands


def axis(length, resized):
    """(two places, two weights of 2048 in all) of each pixel of a resized axis."""
    for target in range(resized):
        place = np.float32((target + 0.5) * (length / resized) - 0.5)
        below = math.floor(place)
        share = np.float32(place - np.float32(below))
        weights = [round(float((np.float32(1) - share) * 2048)), round(float(share * 2048))]
        yield [min(max(below + step, 0), length - 1) for step in (0, 1)], weights


def one_by_one(image, height, width):
    out = np.empty((height, width, image.shape[2]), np.uint8)
    rows = list(axis(image.shape[0], height))
    for x, (xs, across) in enumerate(axis(image.shape[1], width)):
        for y, (ys, down) in enumerate(rows):
            for channel in range(image.shape[2]):
                total = 2
                for row, weight in zip(ys, down, strict=True):
                    blended = sum(
                        int(image[row, column, channel]) * part
                        for column, part in zip(xs, across, strict=True)
                    )
                    total += (blended >> 4) * weight >> 16
                out[y, x, channel] = min(total >> 2, 255)
    return out


sides = st.integers(1, 40)


@settings(max_examples=40)
@given(
    source=st.tuples(sides, sides),
    target=st.tuples(sides, sides),
    channels=st.sampled_from([1, 3, 4]),
    band=sides,
    seed=st.integers(0, 2**32 - 1),
)
def test_every_pixel_is_made_of_its_four_neighbours(source, target, channels, band, seed):
    image = np.random.default_rng(seed).integers(0, 256, (*source, channels), dtype=np.uint8)
    bands = [(top, image[top : top + band]) for top in range(0, source[0], band)]
    np.testing.assert_array_equal(resize_bands(bands, source, target), one_by_one(image, *target))


@pytest.mark.parametrize("target", [(64, 48), (32, 24), (128, 96), (17, 95)])
def test_a_flat_image_stays_flat_and_the_same_size_changes_nothing(target):
    image = np.full((64, 48, 3), 255, np.uint8)
    assert (resize_bands([(0, image)], (64, 48), target) == 255).all()
    noise = np.random.default_rng().integers(0, 256, (*target, 3), dtype=np.uint8)
    np.testing.assert_array_equal(resize_bands([(0, noise)], target, target), noise)
