from __future__ import annotations

import pytest
from PIL import features

from samples.serve_ray.errors import ServiceError
from samples.serve_ray.image_checks import FORMATS, check_image
from tests.samples.serve_ray.images import encoded, png_header_only, solid_png
from vmamba_deploy.preprocessing import IMAGENET_PREPROCESSING, Preprocessing


def refusal(image: bytes, max_pixels: int, preprocessing=IMAGENET_PREPROCESSING) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        check_image(image, max_pixels, preprocessing)
    return caught.value


@pytest.mark.parametrize("name", FORMATS)
def test_takes_every_format_that_it_names(name):
    if name == "WEBP" and not features.check("webp"):
        pytest.skip("this Pillow has no WebP")
    check_image(encoded(name, 20, 20), 100_000, IMAGENET_PREPROCESSING)


def test_takes_no_other_format_of_pillows():
    assert refusal(encoded("TIFF", 20, 10), 100_000).code == "unreadable_image"


def test_the_limit_itself_is_taken_and_one_row_more_is_not():
    square = Preprocessing(crop_pixels=(8, 8), resize_pixels=8)
    check_image(solid_png(40, 25), 1000, square)
    error = refusal(solid_png(40, 26), 1000, square)
    assert (error.code, error.status) == ("too_many_pixels", 422)
    assert "40x26" in error.message
    assert "1,000" in error.message


def test_the_header_is_enough_to_refuse():
    assert refusal(png_header_only(6000, 5000), 25_000_000).code == "too_many_pixels"


def test_more_pixels_than_pillow_opens_are_too_many_as_well():
    assert refusal(png_header_only(60_000, 60_000), 10**12).code == "too_many_pixels"


@pytest.mark.parametrize("size", [(1, 3000), (3000, 1)])
def test_a_strip_that_would_grow_is_refused_however_it_lies(size):
    error = refusal(solid_png(*size), 25_000_000)
    assert error.code == "too_many_pixels"
    assert "resized" in error.message


def test_a_crop_that_is_not_square_is_looked_at_both_ways_up():
    """EXIF could turn the image, so the worse of both counts."""
    tall = Preprocessing(crop_pixels=(400, 10), resize_pixels=10)
    error = refusal(solid_png(100, 50), 30_000, tall)
    assert error.code == "too_many_pixels"


def test_what_is_no_image_is_unreadable():
    error = refusal(b"text", 1000)
    assert (error.code, error.status) == ("unreadable_image", 422)
    assert "PNG" in error.hint
