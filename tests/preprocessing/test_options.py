from dataclasses import replace

import pytest

from vmamba_deploy.errors import UsageError
from vmamba_deploy.preprocessing import DETECTION_PREPROCESSING, IMAGENET_PREPROCESSING
from vmamba_deploy.preprocessing.options import PreprocessingOptions

AT_384 = IMAGENET_PREPROCESSING.for_size((384, 384))
HALVES = (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("said", "changed"),
    [
        ({}, {}),
        ({"mean": HALVES, "std": (0.1, 0.2, 0.3)}, {"mean": HALVES, "std": (0.1, 0.2, 0.3)}),
        ({"mean": (0.5,)}, {"mean": HALVES}),
        ({"resize": 400}, {"resize_pixels": 400}),
        ({"interpolation": "bilinear"}, {"interpolation": "bilinear"}),
        ({"crop": "center"}, {}),
        ({"crop": "none"}, {"stretched": True}),
        # timm: floor(384 / 0.9), and floor(384 / 0.875) = 438
        ({"crop": 0.9}, {"resize_pixels": 426}),
        ({"crop": 0.875}, {}),
        ({"crop": 1.0}, {"resize_pixels": 384}),
    ],
)
def test_what_is_said_holds_and_the_rest_stays(said, changed):
    assert PreprocessingOptions(**said).applied(AT_384) == replace(AT_384, **changed)


def test_a_cut_is_asked_for_where_the_weights_say_none():
    stretched = replace(AT_384, stretched=True)
    assert PreprocessingOptions().applied(stretched) == stretched
    assert PreprocessingOptions(crop="center").applied(stretched) == AT_384
    cut = replace(AT_384, resize_pixels=400)
    assert PreprocessingOptions(resize=400).applied(stretched) == cut


def test_what_a_picture_has_to_fit_in_is_scaled_by_its_shorter_side():
    smaller = PreprocessingOptions(resize=640, mean=(0.5,)).applied(DETECTION_PREPROCESSING)
    assert smaller == replace(DETECTION_PREPROCESSING, fit=(1066, 640), mean=HALVES)
    assert PreprocessingOptions().applied(DETECTION_PREPROCESSING) == DETECTION_PREPROCESSING


@pytest.mark.parametrize(
    "said", [{"crop": "center"}, {"crop": "none"}, {"crop": 0.9}, {"interpolation": "bicubic"}]
)
def test_a_picture_that_has_to_fit_is_neither_cut_nor_filtered(said):
    with pytest.raises(UsageError, match="is not for this network"):
        PreprocessingOptions(**said).applied(DETECTION_PREPROCESSING)


def test_what_does_not_fit_the_network_is_refused():
    with pytest.raises(UsageError, match="--mean has 4 values, but the network takes 3 channels"):
        PreprocessingOptions(mean=(0.5,) * 4).applied(AT_384)
    with pytest.raises(UsageError, match="--resize 256 is below the image size 384"):
        PreprocessingOptions(resize=256).applied(AT_384)
