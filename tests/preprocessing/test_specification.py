import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmamba_deploy.errors import IntegrityError
from vmamba_deploy.preprocessing import IMAGENET_PREPROCESSING, Preprocessing, preprocess

SIDES = st.integers(1, 20_000)


def test_a_manifest_gives_back_what_was_written():
    written = IMAGENET_PREPROCESSING.for_size((96, 64)).as_manifest()
    assert written["layout"] == "NCHW float32 RGB"
    assert Preprocessing.from_manifest(written) == IMAGENET_PREPROCESSING.for_size((96, 64))


@pytest.mark.parametrize("change", [{"specification": 3}, {"interpolation": "bilinear"}])
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
