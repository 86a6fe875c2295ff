import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmamba_deploy.errors import IntegrityError
from vmamba_deploy.preprocessing import (
    DETECTION_PREPROCESSING,
    IMAGENET_PREPROCESSING,
    SEGMENTATION_PREPROCESSING,
    Preprocessing,
    preprocess,
)

SIDES = st.integers(1, 20_000)


def test_a_manifest_gives_back_what_was_written():
    written = IMAGENET_PREPROCESSING.for_size((96, 64)).as_manifest()
    assert written["layout"] == "NCHW float32 RGB"
    assert Preprocessing.from_manifest(written) == IMAGENET_PREPROCESSING.for_size((96, 64))


@pytest.mark.parametrize("change", [{"specification": 4}, {"interpolation": "bilinear"}])
def test_another_specification_is_refused(change):
    with pytest.raises(IntegrityError, match="not the one of this release"):
        Preprocessing.from_manifest(IMAGENET_PREPROCESSING.as_manifest() | change)


@pytest.mark.parametrize(
    "changed",
    [
        {"interpolation": "bilinear"},
        {"stretched": True},
        {"mean": (0.5,), "std": (0.25,)},
        {"mean": (0.1, 0.2, 0.3, 0.4), "std": (1.0,) * 4, "normalisation_in_graph": True},
    ],
)
def test_what_the_first_specification_cannot_say_is_the_second_and_comes_back(changed):
    asked = replace(IMAGENET_PREPROCESSING, **changed)
    written = asked.as_manifest()
    assert written["specification"] == 2
    assert Preprocessing.from_manifest(written) == asked
    with pytest.raises(IntegrityError, match="not the one of this release"):
        Preprocessing.from_manifest(written | {"specification": 1})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"interpolation": "nearest"}, "'nearest' is not one of"),
        ({"mean": (123.675, 116.28, 103.53)}, "from 0 to 1"),
        ({"mean": (0.5, 0.5)}, "one value for each channel"),
        ({"std": (0.2, 0.0, 0.2)}, "above 0"),
        ({"std": (0.2, math.inf, 0.2)}, "finite"),
        ({"mean": (0.2, math.nan, 0.2)}, "from 0 to 1"),
        ({"resize_pixels": 0}, "at least 1"),
    ],
)
def test_values_out_of_range_are_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        replace(IMAGENET_PREPROCESSING, **changed)
    with pytest.raises(IntegrityError, match=message):
        Preprocessing.from_manifest(IMAGENET_PREPROCESSING.as_manifest() | changed)


def test_other_numbers_of_channels_get_mean_and_std_as_timm_gives_them():
    mean, std = IMAGENET_PREPROCESSING.mean, IMAGENET_PREPROCESSING.std
    assert IMAGENET_PREPROCESSING.for_channels(3) is IMAGENET_PREPROCESSING
    six = IMAGENET_PREPROCESSING.for_channels(6)
    assert (six.mean, six.std) == (mean * 2, std * 2)
    for channels in (1, 2, 4, 13):
        other = IMAGENET_PREPROCESSING.for_channels(channels)
        assert other.mean == pytest.approx([np.mean(mean)] * channels)
        assert other.std == pytest.approx([np.mean(std)] * channels)


@pytest.mark.parametrize(
    "asked",
    [
        SEGMENTATION_PREPROCESSING,
        DETECTION_PREPROCESSING,
        replace(DETECTION_PREPROCESSING, fixed=True).for_size((320, 480)).for_channels(1),
    ],
)
def test_what_has_to_fit_is_the_third_specification_and_comes_back(asked):
    written = asked.as_manifest()
    assert written["specification"] == 3
    assert Preprocessing.from_manifest(written) == asked
    with pytest.raises(IntegrityError, match="not the one of this release"):
        Preprocessing.from_manifest(written | {"specification": 2})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"fit": (800, 1333)}, "the longest side first"),
        ({"fit": (1333, 0)}, "from 1 to 65536"),
        ({"pad": 0}, "from 1 to 65536"),
        ({"interpolation": "bilinear"}, "not one of opencv_bilinear"),
        ({"stretched": True}, "not stretched"),
        ({"normalisation_in_graph": True}, "cannot have the padding"),
        ({"fit": None, "interpolation": "bicubic"}, "go with fit alone"),
        ({"fit": None, "pad": 1}, "'opencv_bilinear' is not one of bilinear"),
    ],
)
def test_what_no_picture_can_fit_is_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        replace(DETECTION_PREPROCESSING, **changed)
    with pytest.raises(IntegrityError, match=message):
        Preprocessing.from_manifest(DETECTION_PREPROCESSING.as_manifest() | changed)


# Sizes as the public code's own pipeline made them.
@pytest.mark.parametrize(
    ("fit", "picture", "resized", "padded"),
    [
        ((1333, 800), (480, 640), (800, 1067), (800, 1088)),
        ((1333, 800), (640, 480), (1067, 800), (1088, 800)),
        ((1333, 800), (400, 1000), (533, 1333), (544, 1344)),
        ((200, 97), (73, 99), (97, 132), (128, 160)),
        ((200, 160), (160, 128), (200, 160), (224, 160)),
        ((1333, 800), (2, 10_000), (1, 1333), (32, 1344)),
    ],
)
def test_a_picture_gets_the_largest_size_that_fits_and_is_padded(fit, picture, resized, padded):
    spec = replace(DETECTION_PREPROCESSING, fit=fit)
    assert spec.resized(*picture) == resized
    assert spec.padded(*resized) == padded


@given(height=SIDES, width=SIDES, longest=st.integers(1, 3000), shortest=st.integers(1, 3000))
def test_what_fits_touches_a_limit_and_keeps_the_ratio(height, width, longest, shortest):
    fit = max(longest, shortest), min(longest, shortest)
    spec = replace(SEGMENTATION_PREPROCESSING, fit=fit)
    resized = spec.resized(height, width)
    assert max(resized) <= fit[0]
    assert min(resized) <= fit[1]
    assert max(resized) == fit[0] or min(resized) == fit[1]
    factor = min(fit[0] / max(height, width), fit[1] / min(height, width))
    assert abs(resized[0] - height * factor) <= 1  # 1 for the sides that would be 0
    assert abs(resized[1] - width * factor) <= 1
    assert spec.padded(*resized) == resized


@given(height=SIDES, width=SIDES, frame=st.tuples(st.integers(1, 900), st.integers(1, 900)))
def test_every_picture_fits_into_a_fixed_frame(height, width, frame):
    fixed = replace(DETECTION_PREPROCESSING, fixed=True, crop_pixels=frame)
    resized = fixed.resized(height, width)
    assert resized[0] <= frame[0]
    assert resized[1] <= frame[1]
    assert fixed.padded(*resized) == frame


@given(height=SIDES, width=SIDES)
def test_a_stretched_image_has_the_size_of_the_network(height, width):
    stretched = replace(IMAGENET_PREPROCESSING, crop_pixels=(96, 160), stretched=True)
    assert stretched.resized(height, width) == (96, 160)


@given(height=SIDES, width=SIDES)
def test_the_shorter_side_becomes_256_and_the_longer_is_rounded_down(height, width):
    resized = IMAGENET_PREPROCESSING.resized(height, width)
    # The published evaluation: int(256 * longer / shorter) in floating point.
    longer = int(256 * max(height, width) / min(height, width))
    assert resized == ((256, longer) if height <= width else (longer, 256))


@given(height=SIDES, width=SIDES, crop=st.tuples(st.integers(32, 600), st.integers(32, 600)))
def test_every_crop_is_covered_and_no_larger_than_needed(height, width, crop):
    sized = IMAGENET_PREPROCESSING.for_size(crop)
    resized = np.array(sized.resized(height, width))
    margin = [sized.resize_pixels * side // min(crop) for side in crop]
    assert (resized >= margin).all()
    assert (resized == margin).any()


@pytest.mark.parametrize(
    ("side", "resize"), [(32, 32), (33, 37), (224, 256), (256, 292), (320, 365), (384, 438)]
)
def test_sizes_are_resized_as_published(side, resize):
    assert IMAGENET_PREPROCESSING.for_size((side, side)).resize_pixels == resize
    assert IMAGENET_PREPROCESSING.for_size((side, 2 * side)).resize_pixels == resize
    back = IMAGENET_PREPROCESSING.for_size((side, side)).for_size((224, 224))
    assert back == IMAGENET_PREPROCESSING


@given(side=st.integers(33, 8192))
def test_a_ratio_of_ones_own_is_kept_and_rounded_down(side):
    own = replace(IMAGENET_PREPROCESSING, resize_pixels=248)
    assert own.for_size((side, side)).resize_pixels in {248 * side // 224, 248 * side // 224 - 1}
    whole = replace(IMAGENET_PREPROCESSING, resize_pixels=224)
    assert whole.for_size((side, side)).resize_pixels == side


def test_an_image_of_the_size_of_a_small_network_is_taken_as_it_is():
    image = np.random.default_rng().integers(0, 256, (32, 32, 3), dtype=np.uint8)
    small = replace(IMAGENET_PREPROCESSING.for_size((32, 32)), normalisation_in_graph=True)
    np.testing.assert_array_equal(preprocess(image, small), image)
