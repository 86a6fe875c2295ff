from dataclasses import replace

import numpy as np
import pytest

from vmamba_deploy.errors import UsageError
from vmamba_deploy.parity.inputs import PHOTOS, build_inputs, load_photo
from vmamba_deploy.preprocessing import IMAGENET_PREPROCESSING, normalise
from vmamba_deploy.preprocessing.specification import OPENCV_BILINEAR

SMALL = IMAGENET_PREPROCESSING.for_size((32, 32))


def test_batches_are_named_filled_and_finite():
    sets = build_inputs((1, 3, 25), IMAGENET_PREPROCESSING.for_size((64, 96)), seed=3)
    assert [one.batch for one in sets] == [1, 3, 25, 1, 1, 1, 1]
    assert len({one.name for one in sets}) == len(sets)
    for one in sets:
        assert one.pixel_values.shape == (one.batch, 3, 64, 96)
        assert one.pixel_values.dtype == np.float32
        assert np.isfinite(one.pixel_values).all()
    assert sets[2].images[: len(PHOTOS)] == PHOTOS
    distinct = {image.tobytes() for image in sets[2].pixel_values[:16]}
    assert len(distinct) == 16
    assert [one.name for one in sets if one.flat] == ["black-b1", "white-b1"]


def test_seed_decides_the_noise_and_nothing_else():
    first, again, other = (build_inputs((8,), SMALL, seed=s) for s in (1, 1, 2))
    for a, b, c in zip(first, again, other, strict=True):
        assert np.array_equal(a.pixel_values, b.pixel_values)
        photos = [index for index, name in enumerate(a.images) if name in PHOTOS]
        assert np.array_equal(a.pixel_values[photos], c.pixel_values[photos])
    assert not np.array_equal(first[1].pixel_values, other[1].pixel_values)


def test_raw_images_are_what_the_normalised_ones_come_from():
    raw, ready = (
        build_inputs((6,), IMAGENET_PREPROCESSING, raw=flag)[0].pixel_values
        for flag in (True, False)
    )
    assert raw.shape == (6, 224, 224, 3)
    assert raw.dtype == np.uint8
    for image, expected in zip(raw, ready, strict=True):
        assert np.array_equal(normalise(image, IMAGENET_PREPROCESSING), expected)


@pytest.mark.parametrize("channels", [1, 2, 4, 13])
def test_networks_of_other_channels_are_compared_on_as_many(channels):
    sized = SMALL.for_channels(channels)
    photos, *others = build_inputs((7,), sized)
    raw, *_ = build_inputs((7,), sized, raw=True)
    assert photos.pixel_values.shape == (7, channels, 32, 32)
    assert raw.pixel_values.shape == (7, 32, 32, channels)
    assert np.array_equal(normalise(raw.pixel_values[0], sized), photos.pixel_values[0])
    assert all(one.pixel_values.shape == photos.pixel_values.shape for one in others)
    planes = {raw.pixel_values[0, ..., channel].tobytes() for channel in range(channels)}
    assert len(planes) == min(channels, 12)  # three colours in four positions


@pytest.mark.parametrize("name", PHOTOS)
def test_photographs_are_photographs(name):
    image = load_photo(name)
    assert image.mode == "RGB"
    assert min(image.size) >= 256
    assert len(np.unique(np.asarray(image).reshape(-1, 3), axis=0)) > 1000


@pytest.mark.parametrize("frame", [(96, 128), (256, 256), (48, 256)])
def test_photographs_that_keep_their_ratio_fill_a_frame_of_any_size(frame):
    small = replace(IMAGENET_PREPROCESSING, interpolation=OPENCV_BILINEAR, fit=(384, 96))
    (pixels,) = build_inputs((1,), small.for_size(frame))[0].pixel_values
    height, width = (np.flatnonzero(pixels.any(axis=(0, axis))).max() + 1 for axis in (2, 1))
    assert height == frame[0] or width == frame[1]
    photo = load_photo("cat")
    assert abs(height * photo.width - width * photo.height) <= max(photo.size)


def test_bad_batches_are_refused():
    for batches in ((), (0,), (1, -2)):
        with pytest.raises(UsageError):
            build_inputs(batches, SMALL)


def test_photographs_only_means_neither_noise_nor_one_colour():
    sets = build_inputs((1, 14), SMALL, photos_only=True)
    assert [one.name for one in sets] == ["photos-b1", "photos-b14", "coffee-b1"]
    shown = {name.removesuffix("-mirrored") for one in sets for name in one.images}
    assert shown == set(PHOTOS)
    assert not any(one.flat for one in sets)
