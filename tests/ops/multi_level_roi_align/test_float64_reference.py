"""The float64 reference against the public code's outputs and against pictures known by formula."""

from __future__ import annotations

import numpy as np
import pytest

from tests.dense_golden import DETECTIONS, arrays
from vmamba_deploy.ops.multi_level_roi_align.constants import STRIDES
from vmamba_deploy.ops.multi_level_roi_align.float64_reference import (
    level_of,
    multi_level_roi_align_float64,
)

# Of the 24 channels those that the golden arrays have of every level: 0, 6, 12 and 18.
KEPT = {"fpn0_channels3": 2, "fpn1_channels2": 3, "fpn2": 6, "fpn3": 6}


def golden_maps(golden):
    return [golden[name][:, ::step] for name, step in KEPT.items()]


@pytest.mark.parametrize("name", DETECTIONS)
def test_the_public_codes_box_features(name):
    golden = arrays(name)
    expected = golden["roi_features_first"][:, ::6]
    boxes = golden["proposals"][None, : len(expected)]
    (y,) = multi_level_roi_align_float64(*golden_maps(golden), boxes, 7)
    np.testing.assert_allclose(y, expected, atol=2e-5)


@pytest.mark.parametrize("name", DETECTIONS)
def test_the_public_codes_mask_features(name):
    golden = arrays(name)
    expected = golden["mask_features_first"][:, ::6]
    in_pixels_of_the_input = golden["boxes"][: len(expected)] * np.tile(golden["scale_factor"], 2)
    boxes = in_pixels_of_the_input[None].astype(np.float32)
    (y,) = multi_level_roi_align_float64(*golden_maps(golden), boxes, 14)
    np.testing.assert_allclose(y, expected, atol=2e-5)


@pytest.mark.parametrize("name", DETECTIONS)
@pytest.mark.parametrize("picture", ["", "big_"])
def test_the_public_codes_levels(name, picture):
    golden = arrays(name)
    levels = [level_of(box) for box in golden[f"{picture}proposals"]]
    assert levels == golden[f"{picture}proposal_levels"].tolist()


@pytest.mark.parametrize(
    ("side", "level"),
    [(1, 0), (111.9, 0), (112, 1), (223.9, 1), (224, 2), (447.9, 2), (448, 3), (5000, 3)],
)
def test_a_level_begins_at_exactly_twice_the_one_before(side, level):
    assert level_of(np.float32([8, 16, 8 + side, 16 + side])) == level


@pytest.mark.parametrize("level", range(4))
def test_a_ramp_is_pooled_to_the_centres_of_the_bins(level):
    # Bilinear samples of a plane are exact, and their mean is the plane at the bin's centre.
    stride, bins = STRIDES[level], 7
    rows, columns = np.mgrid[:64, :80]
    ramp = (3.0 * rows - 2.0 * columns + 5.0)[None, None]
    maps = [np.full_like(ramp, np.nan) for _ in STRIDES]
    maps[level] = ramp
    box = np.float32([24, 16, 24 + 60 * 2**level, 16 + 57 * 2**level])
    y = multi_level_roi_align_float64(*maps, box[None, None], bins)
    x1, y1, x2, y2 = (float(value) / stride - 0.5 for value in box)
    centres = np.arange(bins) + 0.5
    expected = (
        3.0 * (y1 + centres * (y2 - y1) / bins)[:, None]
        - 2.0 * (x1 + centres * (x2 - x1) / bins)
        + 5.0
    )
    np.testing.assert_allclose(y[0, 0, 0], expected, rtol=1e-5)


def test_samples_off_the_map_count_as_nothing():
    ones = [np.ones((1, 1, 16, 16)) for _ in STRIDES]
    # 32 pixels wide, of which x < -2 is too far: with two bins of four samples each, at
    # -8.5, -6.5 ... on the map, none of the first bin and all of the second.
    box = np.float32([-32, 8, 0, 40])
    y = multi_level_roi_align_float64(*ones, box[None, None], 2)
    np.testing.assert_array_equal(y[0, 0, 0, :, 0], 0)
    assert 0 < y[0, 0, 0, 0, 1] < 1
